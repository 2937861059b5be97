"""The console is killed again and again while clients write and read: what was acknowledged is there afterwards, and there once, and what a
reader saw is never taken back."""

from pathlib import Path

from support import crash

KILLS, FOLDERS = 50, 2


def test_what_was_acknowledged_or_seen_outlives_kills_and_is_there_once(tmp_path: Path) -> None:
    result = crash.Result()
    for number in range(FOLDERS):
        crash.run(tmp_path / str(number), KILLS // FOLDERS, result, seed=number)
    assert not result.complaints, "\n".join(result.complaints[:20])
    assert result.kills >= KILLS
    assert result.acked > KILLS
