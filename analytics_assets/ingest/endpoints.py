"""The four endpoints, as data. A fifth is one more entry in ``ENDPOINTS``."""

from dataclasses import replace

from analytics_assets.ingest.endpoint import Column, Endpoint, NumberIn

_ID = Column(name="id", data_type="text", nullable=False, description="Identifier the API gives the row; the merge key")
_METRIC = Column(name="metric", data_type="text", description="What is measured, such as reach, likes or saves")
_PERIOD = Column(name="period", data_type="text", description="Span the value covers: day, week, days_28 or lifetime")
_VALUE = Column(
    name="value",
    data_type="json",
    description="The measured value, as the API sent it: a number, or an object when the metric is broken down",
)
_VALUE_NUMBER = Column(
    name="value_number",
    data_type="double",
    description="The number in `value`: itself, or the sum of its parts where they add up; computed, not sent",
    number_in=NumberIn(field="value", metric="metric", period="period"),
)
_UPDATED = Column(name="updated_at", data_type="timestamp", description="When the API last restated the row (UTC)")
_PERMALINK = Column(name="permalink", data_type="text", description="Public address of the post")
_CAPTION = Column(name="caption", data_type="text", description="Text of the post; may be empty or any Unicode")
_MEDIA_TYPE = Column(name="media_type", data_type="text", description="IMAGE, VIDEO, REEL or CAROUSEL_ALBUM")
_USER_ID = Column(name="user_id", data_type="text", description="Account the row belongs to")

ENDPOINTS: tuple[Endpoint, ...] = (
    Endpoint(
        name="media_insights",
        path="/v1/media_insights",
        cursor="timestamp",
        description="One row per post, metric and day: how far each post reached and how people reacted.",
        columns=(
            _ID,
            Column(name="media_id", data_type="text", description="The post that is measured", says_whose=True),
            _METRIC,
            _PERIOD,
            _VALUE,
            _VALUE_NUMBER,
            Column(name="profile_views", data_type="bigint", description="Profile visits that came from the post"),
            _MEDIA_TYPE,
            _PERMALINK,
            _CAPTION,
            Column(name="timestamp", data_type="timestamp", description="Moment the value is for (UTC); the cursor"),
            _UPDATED,
        ),
    ),
    Endpoint(
        name="user_insights",
        path="/v1/user_insights",
        cursor="end_time",
        description="One row per account, metric and day: reach, followers and visits of the whole profile.",
        columns=(
            _ID,
            replace(_USER_ID, says_whose=True),
            _METRIC,
            _PERIOD,
            _VALUE,
            _VALUE_NUMBER,
            Column(name="profile_views", data_type="bigint", description="Visits to the profile in the period"),
            Column(name="follower_count", data_type="bigint", description="Followers at the end of the period"),
            Column(name="engagement_rate", data_type="double", description="Interactions per account reached, 0 to 1"),
            Column(name="end_time", data_type="timestamp", description="End of the measured period (UTC); the cursor"),
            _UPDATED,
        ),
    ),
    Endpoint(
        name="stories",
        path="/v1/stories",
        cursor="timestamp",
        description="One row per story. The API forgets a story 24 hours after it was posted; the table keeps it.",
        columns=(
            _ID,
            _USER_ID,
            _MEDIA_TYPE,
            Column(name="media_url", data_type="text", description="Address of the picture or video while it is live"),
            _PERMALINK,
            _CAPTION,
            Column(name="like_count", data_type="bigint", description="Likes when the story was read"),
            Column(name="is_shared_to_feed", data_type="bool", description="Whether the story also stands in the feed"),
            Column(name="timestamp", data_type="timestamp", description="When the story was posted (UTC); the cursor"),
            Column(
                name="expires_at", data_type="timestamp", description="When the API stops returning the story (UTC)"
            ),
        ),
    ),
    Endpoint(
        name="story_insights",
        path="/v1/story_insights",
        cursor="timestamp",
        description="One row per story and metric: views, replies, exits and taps.",
        columns=(
            _ID,
            Column(
                name="story_id",
                data_type="text",
                description="The story that is measured; `stories.id`",
                references="stories",
                says_whose=True,
            ),
            _METRIC,
            _PERIOD,
            _VALUE,
            _VALUE_NUMBER,
            Column(name="profile_views", data_type="bigint", description="Profile visits that came from the story"),
            Column(name="timestamp", data_type="timestamp", description="Moment the value is for (UTC); the cursor"),
            _UPDATED,
        ),
    ),
)
