"""What a register's answers look like."""

from appliance.fiscal.target import _found
from hardware.roles import FiscalDocument


def test_a_found_document_has_the_names_of_a_registered_one() -> None:
    told = _found(FiscalDocument(number=6, storage="s", sign="1", total_minor=47190, change_minor=2810))
    assert (told["status"], told["number"], told["total"], told["change"]) == ("found", 6, 47190, 2810)
    assert not any(name.endswith("_minor") for name in told)
