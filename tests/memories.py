"""What modules remember between two calls of one process, which a test must not hand to the next."""

MEMORIES = {
    "qlit.data.contents": "_known",
    "qlit.jobs.notices": "_printed",
    "qlit.runtime.part_file": "_swept",
    "qlit.runtime.secrets": "_known",
    "qlit.studies.trials.recovery": "_seen",
}
"""Names of their dictionaries and sets, by module."""
