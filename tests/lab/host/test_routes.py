"""Route templates, matched as ASP.NET does."""

import pytest

from lab.host.routes import BadRoute, Route


@pytest.mark.parametrize(
    ("template", "path", "values"),
    [
        ("plans", "/plans", {}),
        ("plans", "/plans/", {}),
        ("plans", "/PLANS", {}),
        ("plans", "/plans/payroll", None),
        ("plans/{plan}", "/plans/payroll", {"plan": "payroll"}),
        ("plans/{plan}", "/plans", None),
        ("plans/{plan}", "/plans/a%2Fb%20c", {"plan": "a/b c"}),
        ("plans/{plan?}", "/plans", {}),
        ("plans/{plan?}", "/plans/payroll", {"plan": "payroll"}),
        ("plans/{plan=all}", "/plans", {"plan": "all"}),
        ("files/{*path}", "/files/a/b.txt", {"path": "a/b.txt"}),
        ("files/{*path}", "/files", {}),
        ("{name}.{ending}", "/report.html", {"name": "report", "ending": "html"}),
        ("v{number:int}/x", "/v12/x", {"number": "12"}),
        ("v{number:int}/x", "/vx/x", None),
        ("a/{id:guid}", "/a/11111111-1111-1111-1111-111111111111", {"id": "11111111-1111-1111-1111-111111111111"}),
        ("a/{id:guid}", "/a/1", None),
        ("a/{id:alpha}", "/a/abc", {"id": "abc"}),
        ("a/{id:alpha}", "/a/a1", None),
        ("a/{id:bool}", "/a/TRUE", {"id": "TRUE"}),
        ("a/{id:datetime}", "/a/2026-01-05", {"id": "2026-01-05"}),
        ("a/{id:decimal}", "/a/1.5", {"id": "1.5"}),
        ("a/{id:length(2,3)}", "/a/abcd", None),
        ("a/{id:length(2)}", "/a/ab", {"id": "ab"}),
        ("a/{id:minlength(2):maxlength(3)}", "/a/abc", {"id": "abc"}),
        ("a/{id:minlength(2):maxlength(3)}", "/a/abcd", None),
        ("a/{id:int:min(5)}", "/a/4", None),
        ("a/{id:max(5)}", "/a/5", {"id": "5"}),
        ("a/{id:range(1,9)}", "/a/10", None),
        (r"a/{id:regex(^v\d+$)}", "/a/v1", {"id": "v1"}),
        (r"a/{id:regex(^v\d+$)}", "/a/x1", None),
        ("a/{id:int?}", "/a", {}),
    ],
)
def test_a_path_is_matched(template: str, path: str, values: dict[str, str] | None) -> None:
    assert Route(template).match_path(path) == values


def test_an_unknown_constraint_is_refused() -> None:
    with pytest.raises(BadRoute, match="prime"):
        Route("a/{id:prime}")
