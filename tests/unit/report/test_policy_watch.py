from wayfarer_report.live.policy_watch import PolicyWatch, in_words


def heard(watch: PolicyWatch, *saturated: float) -> list[bool]:
    return [bool(watch.warning({"policy/saturated": share, "q": -3.0})) for share in saturated]


def test_a_dead_policy_is_told_of_once_after_three_episodes() -> None:
    assert heard(PolicyWatch(), 0.99, 0.96, 0.97, 0.99, 0.99) == [False, False, True, False, False]


def test_a_policy_that_recovers_in_between_is_not_dead() -> None:
    assert not any(heard(PolicyWatch(), 0.99, 0.99, 0.9, 0.99, 0.99, 0.95))


def test_the_warning_says_how_many_and_what_to_do() -> None:
    watch = PolicyWatch()
    heard(watch, 0.97, 0.97)
    warning = watch.warning({"policy/saturated": 0.97})
    assert "97 % of its outputs" in warning
    assert "--recipe practical" in warning


def test_a_method_without_a_policy_to_watch_is_left_alone() -> None:
    watch = PolicyWatch()
    assert [watch.warning({"rnd_loss_last": 0.1}) for _ in range(5)] == [""] * 5


def test_metrics_are_one_line() -> None:
    assert in_words({"q": -3.14159, "policy/spread": 0.5}) == "q -3.14, policy/spread 0.5"
