"""The words that stay readable in a capture.

The list is closed on purpose. That a word recurs does not show that it is one of the vendor's: in the posts of an
account its user name recurs as often as ``IMAGE`` does.
"""

import re

_DATA = """
account accounts action actions active ad ads age ago album albums all api app asc average avg back bio blog body
boost bounce breakdown breakdowns business button call campaign caption captions carousel category channel channels
city click clicks code comment comments completed content contents context conversation conversion conversions cost
count country counts created ctr cursor cursors custom daily data date day days delete deleted delivery demographics
desc description desktop device dimension dimensions direct disabled discovery display distinct duration email empty
enabled end ended engaged engagement engagements epoch error event exit exits expires explore external fail failed
false fan fans favorite favorites feed female field fields file filter first follow follower followers following
follows format forward forwards frequency full gender graph hashtag hashtags hidden home hour hourly hours house
icon id ids igtv image images impress impression impressions in inbox index ins insight insights interaction
interactions internal is item items key kind label lang language last latest length lifetime like likes limit link
links list live local locale location logo long male max mean media median member members mention mentions message
messages meta metric metrics min minute minutes mobile month monthly name new next no node none not null number
object objects off offset ok on online open order organic other out own owner page pages paging paid parent per
percent percentage period permalink phone photo photos picture pin pinned play plays points position post posts prev
previous private product profile profiles promoted public published quote quotes range rate rates ratio reach
reached reaction reactions read reads recent reel reels referrer region removed replies reply report repost reposts
result results retention retweet retweets row rows sales save saved saves score search second seconds section seen
sent series session sessions sex share shared shares short shown since size skip sort source spend start started
state stats status stop stories story sub subscriber subscribers success summary tablet tag tags tap taps target
text thread threads thumbnail time timestamp timezone title to top total totals traffic true tweet tweets type types
unfollows unique unit unknown until updated upload uploaded url user users value values version video videos view
viewed viewers views visible visit visitor visitors visits watch watched web website week weekly weight width worth
year yearly yes zone
"""
_ERRORS = """
a about access after again all allowed already amount an and any are argument as asked asking at authentication
authorization authorized b back bad be been before blocked body br busy but by call called calls can cannot center
charset check client cloudflare code collection connection could credentials data deprecated did div do doctype does
doesn domain don down due during em error errors exceeded exist exists expected expired expires fail failed failing
failure fbtrace few for forbidden found from gateway get give given gone h1 h2 h3 has have head header hour hr href
html http https i if img in info input internal invalid is isn it its json key later less li limit link ll login
made maintenance many max maximum may message meta method minimum minutes missing more moved must need nginx no not
nothing of off on once one only or out p page parameter parameters parse password path permission permissions
permitted please post problem provide provided proxy query quota rate re reached reason reduce refused request
requested requests required resource respond response retry right script seconds see server service set should small
so some something soon sorry span src strong style subcode subject such support supported syntax table td
temporarily temporary than that the them then there they this throttled timed timeout title to token too tr trace
try trying type ul unable unauthorized unavailable under unexpected unknown unsupported up upstream us usage use
used utf valid value was we went were when where which while will with within wrong you your
"""
_PAGING = """
after all before capped code count current cursor end filter first found from has index items last left limit max
min more next no num number of offset page pages paging per pos position prev previous records remaining result
results row rows size skip start status step to total totals version
"""
DATA_WORDS = frozenset(re.findall(r"\w+", _DATA))
"""What values such as ``CAROUSEL_ALBUM``, ``days_28`` and ``profile_views`` are made of."""
ERROR_WORDS = frozenset(re.findall(r"\w+", _ERRORS)) | DATA_WORDS
"""What messages of APIs and pages of proxies are made of."""
PAGING_WORDS = frozenset(re.findall(r"\w+", _PAGING))
"""What the numbers are called that an answer has beside its rows, to walk through them by."""

_PARTS = re.compile("[A-Z]?[a-z]+|[A-Z]+(?![a-z])|[0-9]+|[^A-Za-z0-9_-]+")
# whose values are somebody's words even where they are such words
_PERSONAL = frozenset(re.findall(r"\w+", "bio caption city email hashtag login message name phone tag text title user"))
_SHORTEST_NUMBER_OF_SOMEBODY = 3


def parts_of(name: str) -> list[str]:
    """Return the words that a name is made of, in lower case: ``profileViews_28`` is profile, views and 28."""
    return [part.lower() for part in _PARTS.findall(name)]


def is_known(name: str) -> bool:
    """Say whether a name or a value is made of known words and of numbers of two digits at most."""
    parts = parts_of(name)
    return any(part in DATA_WORDS for part in parts) and all(
        part in DATA_WORDS or (part.isdecimal() and len(part) < _SHORTEST_NUMBER_OF_SOMEBODY) for part in parts
    )


def is_paging(name: str) -> bool:
    """Say whether a name beside the rows is one of those by which pages are told: ``total_pages``, ``nextCursor``."""
    parts = parts_of(name)
    return bool(parts) and all(part in PAGING_WORDS for part in parts)


def is_personal(name: str) -> bool:
    """Say whether a field's name is that of somebody's own words."""
    parts = parts_of(name)
    return not _PERSONAL.isdisjoint(parts) or any(part.endswith(("name", "mail")) for part in parts)
