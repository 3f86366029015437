"""References over the admin API: what a version's requests are compared with."""

from typing import Any

import pytest

from gateway.control.parts import Parts
from gateway.store import audit, drift, versions
from routing.drift.describe import describe_input
from routing.drift.features import Side
from routing.drift.summary import Gatherer, Summary, total_of
from tests.fakes.control import Admin

SHA = "ab" * 32
PATH = "/admin/v1/models/support-v2/reference"


def chunk(rows: int = 10) -> Summary:
    gatherer = Gatherer()
    for number in range(rows):
        gatherer.see()
        gatherer.add_input(describe_input(f"my parcel {number} has not arrived, where is it?", 2))
    return gatherer.take()


def body(chunks: int = 20, **changed: object) -> dict[str, Any]:
    return {"dataset_sha256": SHA, "rows": 200, "chunks": [chunk().as_document()] * chunks, **changed}


def test_a_reference_is_kept_in_its_chunks_for_every_route(admin: Admin, parts: Parts) -> None:
    answer = admin.http.put(PATH, json=body(reason="trained on November"))
    assert answer.status_code == 200, answer.text
    found = answer.json()
    assert (found["rows"], found["n"], found["chunks"], found["dataset_matches"]) == (200, 200, 20, None)
    with parts.store.reading() as connection:
        kept = drift.references_of(connection, "any", "support-v2")
    assert kept.keys() == {Side.INPUT}
    assert (kept[Side.INPUT].source, kept[Side.INPUT].n) == ("training", 200)
    assert list(kept[Side.INPUT].chunks) == [chunk()] * 20
    assert kept[Side.INPUT].about == {"dataset_sha256": SHA, "rows": 200}
    [entry] = [one for one in audit.entries(parts.store) if one.action == "reference"]
    assert (entry.who, entry.reason) == ("ops", "trained on November")


def test_another_reference_takes_its_place(admin: Admin, parts: Parts) -> None:
    for rows in (200, 400):
        admin.http.put(PATH, json=body(rows // 10, rows=rows))
    with parts.store.reading() as connection:
        kept = drift.references_of(connection, "any", "support-v2")[Side.INPUT]
    assert total_of(kept.chunks).inputs == 400


def test_a_version_says_what_it_is_compared_with(admin: Admin, parts: Parts) -> None:
    versions.record(parts.store, "support-v2", {"dataset": {"sha256": SHA}})
    assert admin.http.put(PATH, json=body()).json()["dataset_matches"] is True
    other = admin.http.put(PATH, json=body(dataset_sha256="cd" * 32)).json()
    assert (other["dataset_matches"], other["lineage_sha256"]) == (False, SHA)
    [reference] = admin.http.get("/admin/v1/versions/support-v2").json()["references"]
    assert (reference["route"], reference["side"], reference["source"], reference["n"]) == (
        None,
        "input",
        "training",
        200,
    )


def changed_chunk(**changed: object) -> dict[str, Any]:
    return body(chunks=19) | {"chunks": [*([chunk().as_document()] * 19), {**chunk().as_document(), **changed}]}


@pytest.mark.parametrize(
    ("sent", "said"),
    [
        ({}, "missing required field `dataset_sha256`"),
        (body(19), "length >= 20"),
        (body(101), "length <= 100"),
        (body(dataset_sha256="short"), "$.dataset_sha256"),
        (body(texts=["a"]), "unknown field `texts`"),
        (changed_chunk(outputs=1), "$.chunks[19].outputs"),
        (changed_chunk(seen=-1), "$.chunks[19].seen"),
        (changed_chunk(grams=[1]), "chunks.19: has 1 bins of grams; 256 are wanted"),
        (changed_chunk(words=[65_536, 1]), "chunks.19: words is no list of pairs"),
        (changed_chunk(words=[1]), "chunks.19: words is no list of pairs"),
        (changed_chunk(top_grams={"my parcel": 1}), "$.chunks[19].top_grams"),
        (changed_chunk(templates={"my parcel": 1}), "$.chunks[19].templates"),
        (changed_chunk(counts={"new": [1]}), "has no feature that is known here"),
        (changed_chunk(inputs=9), "counts more values of input_length than it has rows"),
        (body() | {"chunks": [chunk(9).as_document()] * 20}, "describe 180 rows together; a reference takes 200"),
    ],
)
def test_what_is_no_reference_is_refused_with_its_place(
    untouched_admin: Admin, sent: dict[str, Any], said: str
) -> None:
    answer = untouched_admin.http.put(PATH, json=sent)
    assert answer.status_code == 400
    assert said in answer.json()["error"]["message"]


def test_a_body_that_is_no_json_is_refused(untouched_admin: Admin) -> None:
    for raw in (b"", b"{", b"\xff", b"[" * 100_000):
        assert untouched_admin.http.put(PATH, content=raw).status_code == 400


def test_a_body_beyond_measure_is_refused_before_it_is_read(untouched_admin: Admin) -> None:
    answer = untouched_admin.http.put(PATH, content=b" " * (8 * 1024 * 1024 + 1))
    assert answer.status_code == 413


def test_a_body_may_be_larger_than_others(untouched_admin: Admin) -> None:
    answer = untouched_admin.http.put(PATH, content=b" " * (8 * 1024 * 1024))
    assert answer.status_code == 400


def test_a_model_that_is_not_there_has_no_reference(untouched_admin: Admin) -> None:
    assert untouched_admin.http.put("/admin/v1/models/nothing/reference", json=body()).status_code == 404
