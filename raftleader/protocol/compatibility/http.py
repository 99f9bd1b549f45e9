"""What all endpoints have in common."""

from __future__ import annotations

from raftleader.protocol.compatibility.entries import Section, entries

_RULES = """\
JSON as Mesos reads it | test_call_is_read_as_mesos_reads_it
    | + null is unset, unknown fields are ignored, one for a list, numbers as text
JSON as Mesos writes it | test_update_is_written_as_mesos_writes_it
    | + compact ASCII, declared defaults are written
protobuf, `application/x-protobuf` | test_subscribe_may_come_and_be_answered_in_protobuf
    | + both ways, one chosen by Content-Type, the other by Accept
one RecordIO record in each chunk
    | test_subscribe_opens_a_stream_of_one_record_for_each_chunk
Content-Type | test_heads_of_requests_are_answered_as_mesos_answers_them
    | parameters and capital letters in it do no harm
Accept | test_subscribe_is_answered_by_its_headers
chunked requests, pipelining, new connections
    | test_framework_in_the_manner_of_mesos_go_kills_and_fails_over
307 of a standby, `Location: //HOST:PORT/PATH`
    | test_standby_redirects_every_call_to_the_same_path
503 while nobody leads | test_standby_that_knows_no_leader_answers_503
unknown paths below `/api/v1` | test_path_is_found_in_all_the_forms_mesos_has
`/master/...` and `.json`, a slash at the end
    | test_page_is_found_in_all_the_forms_mesos_has
a body that is too large | test_body_that_is_too_large_is_413
    | 413 above 8 MiB; Mesos takes any size
authentication (401) and authorization (403) |
    | whoever reaches the port may do everything
HTTPS | | put a proxy in front of it
compression | | answers are never compressed, which every client takes
finding the leader through ZooKeeper |
    | name some leader nodes, or a proxy; any of them redirects
"""

SECTIONS = (
    Section(
        key="http",
        title="HTTP",
        entries=entries(_RULES),
    ),
)
