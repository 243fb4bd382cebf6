"""How often the gateway's own log says one thing."""

from bridge.gateway.log_rate import LineRate


class _Clock:
    def __init__(self) -> None:
        self.at = 100.0

    def __call__(self) -> float:
        return self.at


def test_ten_at_once_one_in_ten_seconds_and_the_rest_is_counted() -> None:
    clock = _Clock()
    rate = LineRate(clock)
    assert [rate.allows("worker_killed", "m/1") for _ in range(12)] == [True] * 10 + [False] * 2
    assert rate.left_out() == [("worker_killed", "m/1", 2)]
    assert rate.left_out() == []
    clock.at += 9.9
    assert not rate.allows("worker_killed", "m/1")
    clock.at += 0.2
    assert rate.allows("worker_killed", "m/1")
    assert not rate.allows("worker_killed", "m/1")
    assert rate.left_out() == [("worker_killed", "m/1", 2)]


def test_each_event_about_each_subject_has_its_own() -> None:
    rate = LineRate(_Clock())
    for _ in range(50):
        rate.allows("worker_killed", "m/1")
    assert rate.allows("worker_killed", "m/2")
    assert rate.allows("parent_ended", "m/1")


def test_quiet_hours_save_up_ten_lines_and_no_more() -> None:
    clock = _Clock()
    rate = LineRate(clock)
    for _ in range(10):
        rate.allows("a", "")
    clock.at += 1e6
    assert sum(rate.allows("a", "") for _ in range(100)) == 10


def test_any_number_of_subjects_takes_bounded_memory_and_bounded_lines() -> None:
    clock = _Clock()
    rate = LineRate(clock)
    allowed = sum(rate.allows("a", str(number)) for number in range(50_000))
    assert allowed == 1024 + 10
    assert rate.left_out() == [("many events", "different things", 50_000 - allowed)]
    clock.at += 1000.0  # those who said one thing are as good as new
    assert rate.allows("b", "new")
    assert len(rate._accounts) == 1
