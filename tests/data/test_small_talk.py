from recurra.data import small_talk
from recurra.data.small_talk import FACTS

ASKED, SAID = ([fact[k].split("{")[0] for fact in FACTS] for k in (1, 2))


def test_a_seed_says_all() -> None:
    made = small_talk(200, seed=3)
    assert made == small_talk(300, seed=3)[:200]
    assert made != small_talk(200, seed=4)
    assert len(set(made)) == 200


def test_what_is_asked_for_was_told_three_turns_back_and_nowhere_else() -> None:
    answers = 0
    for turns in small_talk(200):
        assert len(turns) % 2 == 0
        for k, turn in enumerate(turns[:-1]):
            if turn.startswith(tuple(ASKED)):
                answer = turns[k + 1]
                assert answer.startswith(tuple(SAID))
                others = [other for j, other in enumerate(turns) if j not in (k - 2, k, k + 1)]
                fact = set(answer.rstrip(".").split()) - {"Your", "You", "name", "is", "live", "in", "like", "best", "have"}
                assert fact <= set(turns[k - 2].rstrip(".").split())
                assert not any(fact <= set(other.rstrip(".").split()) for other in others)
                answers += 1
    assert answers > 200
