"""What ``make`` runs that Dagster's own commands do not cover. They print and start things; none loads by itself."""
