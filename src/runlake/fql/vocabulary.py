"""What a filter can speak of: comparators, fields, families of entries, places that text is searched in.

Closed sets, so that every ``match`` over one is checked. How each is spelled and which comparators it takes stands in
``fields``; which column holds it, outside this package.
"""

from __future__ import annotations

from enum import StrEnum


class Comparator(StrEnum):
    """How a part of a run is held against a value; the member's value is its spelling in a filter.

    The three negative ones (``is_negative``) are true exactly where their positive twin (``positive``) is
    false.

    ``LIKE`` patterns: ``%`` is any run of characters, ``_`` is one character, a backslash takes the next
    character literally, and the pattern covers the whole text. Case counts, except where a leaf says
    otherwise.
    """

    EQ = "eq"
    NEQ = "neq"
    GT = "gt"
    GTE = "gte"
    LT = "lt"
    LTE = "lte"
    IN = "in"
    NIN = "nin"
    LIKE = "like"
    NOTLIKE = "notlike"

    @property
    def is_negative(self) -> bool:
        """Whether this is a comparator that holds for absent values."""
        return self in _POSITIVE_TWIN

    @property
    def positive(self) -> Comparator:
        """The positive twin of a negative comparator, and any other comparator itself."""
        return _POSITIVE_TWIN.get(self, self)


_POSITIVE_TWIN = {
    Comparator.NEQ: Comparator.EQ,
    Comparator.NIN: Comparator.IN,
    Comparator.NOTLIKE: Comparator.LIKE,
}


class ScalarField(StrEnum):
    """A field of which a run has at most one value; the member's value is its wire name.

    The type of the values it is compared with:

    ====================================================================  ==============================
    ``ID`` ``TRACE_ID`` ``PARENT_RUN_ID`` ``SESSION_ID``                  ``UUID``
    ``REFERENCE_EXAMPLE_ID`` ``REFERENCE_DATASET_ID``                     ``UUID``
    ``THREAD_ID`` ``NAME`` ``ERROR`` ``DOTTED_ORDER``                     ``str``
    ``RUN_TYPE`` ``STATUS``                                               ``str``, lower case
    ``IS_ROOT``                                                           ``bool``
    ``START_TIME`` ``END_TIME`` ``FIRST_TOKEN_TIME`` ``LAST_QUEUED_AT``   ``datetime``, aware, in UTC
    ``LATENCY`` ``TIME_TO_FIRST_TOKEN``                                   ``int``, microseconds
    ``TOTAL_TOKENS`` ``PROMPT_TOKENS`` ``COMPLETION_TOKENS``              ``int``
    ``TOTAL_COST`` ``PROMPT_COST`` ``COMPLETION_COST``                    ``Decimal``
    ====================================================================  ==============================

    ``LIKE`` and ``NOTLIKE`` take a ``str`` pattern and come only with the ``str`` fields. ``ATTACHMENTS`` comes only in
    a ``NullTest``.
    """

    ID = "id"
    TRACE_ID = "trace_id"
    PARENT_RUN_ID = "parent_run_id"
    SESSION_ID = "session_id"
    THREAD_ID = "thread_id"
    NAME = "name"
    RUN_TYPE = "run_type"
    STATUS = "status"
    IS_ROOT = "is_root"
    START_TIME = "start_time"
    END_TIME = "end_time"
    FIRST_TOKEN_TIME = "first_token_time"  # noqa: S105 - a token of a model, not a secret
    LAST_QUEUED_AT = "last_queued_at"
    LATENCY = "latency"
    TIME_TO_FIRST_TOKEN = "time_to_first_token"  # noqa: S105 - as above
    ERROR = "error"
    TOTAL_TOKENS = "total_tokens"
    PROMPT_TOKENS = "prompt_tokens"
    COMPLETION_TOKENS = "completion_tokens"
    TOTAL_COST = "total_cost"
    PROMPT_COST = "prompt_cost"
    COMPLETION_COST = "completion_cost"
    DOTTED_ORDER = "dotted_order"
    ATTACHMENTS = "attachments"
    REFERENCE_EXAMPLE_ID = "reference_example_id"
    REFERENCE_DATASET_ID = "reference_dataset_id"


class PairFamily(StrEnum):
    """A bag of entries that a run owns.

    Metadata, input and output entries have a key and a value: the JSON is flattened, object keys joined with
    dots, array positions left out, so one key may have several entries. Feedback entries also have a score, a
    comment and a source; their key is the feedback's name.
    """

    METADATA = "metadata"
    INPUT = "input"
    OUTPUT = "output"
    FEEDBACK = "feedback"


class PairPart(StrEnum):
    """A part of one entry. ``SCORE``, ``COMMENT`` and ``SOURCE`` belong to feedback alone."""

    KEY = "key"
    VALUE = "value"
    SCORE = "score"
    COMMENT = "comment"
    SOURCE = "source"


class DetailMap(StrEnum):
    """A map from names to parts of a sum, such as the cached tokens of a prompt; the member's value is its wire name.

    Tokens are ``int``, costs ``Decimal``.
    """

    PROMPT_TOKENS = "prompt_token_details"
    COMPLETION_TOKENS = "completion_token_details"
    PROMPT_COST = "prompt_cost_details"
    COMPLETION_COST = "completion_cost_details"

    @property
    def is_cost(self) -> bool:
        """Whether the parts are costs."""
        return self in (DetailMap.PROMPT_COST, DetailMap.COMPLETION_COST)


class SearchField(StrEnum):
    """A place that full text looks in. Inputs, outputs and metadata are searched by key and by value."""

    INPUTS = "inputs"
    OUTPUTS = "outputs"
    ERROR = "error"
    NAME = "name"
    TAGS = "tags"
    METADATA = "metadata"
