"""How the hub says no: one exception, turned into `application/problem+json` at the door."""

from wire.problems import PROBLEMS, Kind


class Refused(Exception):
    """A request ends without a gateway's answer. `problem` is a key of `wire.problems.PROBLEMS`.

    `retry_after` is whole seconds for the header of that name; `request_id` names the operation where there is one.
    `fact` names what stands in the way, more closely than the problem does, for who says it in other words than
    `detail`: then `fields` are what those words need.
    """

    def __init__(
        self,
        problem: str,
        detail: str,
        *,
        retry_after: int | None = None,
        request_id: str = "",
        fact: str = "",
        **fields: object,
    ) -> None:
        super().__init__(detail)
        self.problem = problem
        self.detail = detail
        self.retry_after = retry_after
        self.request_id = request_id
        self.fact = fact
        self.fields = fields

    @property
    def kind(self) -> Kind:
        """Status, outcome and title of the problem."""
        return PROBLEMS[self.problem]


class StorageError(Exception):
    """The database did not take a write or answer a read; its text is for the log.

    `may_stand`: what was to be written may be there all the same. The database did not say what became of its commit.
    """

    def __init__(self, text: str, *, may_stand: bool = False) -> None:
        super().__init__(text)
        self.may_stand = may_stand
