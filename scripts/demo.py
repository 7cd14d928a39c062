"""make demo: a language model of this Python's reference manual, trained, measured and sampled in three to five minutes."""

import platform
import sys
from pathlib import Path

import recurra
from recurra.errors import RecurraError
from recurra.report import draw_curve

PROMPT = "The "


def main() -> None:
    """Train the task `text` on its embedded default, then write 300 characters."""
    print(f"Python {platform.python_version()}: its language reference is the text (another version has another text).")
    print("Training a character model; nine tenths of the topics are learnt, one tenth is held out.\n")
    run = recurra.Text().fit()
    print("300 characters, temperature 0.7:\n")
    for piece in run.generate(prompt=PROMPT, length=300 - len(PROMPT), temperature=0.7):
        print(piece, end="", flush=True)
    print(f"\n\nThe run is in {run.folder}, its learning curve in {draw_curve(run)}. Next:")
    recurra_ = Path(sys.executable).with_name("recurra").relative_to(Path.cwd())
    print(f"  {recurra_} generate {run.folder} prompt='A class ' temperature=0.5")
    print(f"  {recurra_} evaluate {run.folder}")
    print(f"  {recurra_} train text YOUR.txt hidden=512 --out runs/yours")


if __name__ == "__main__":
    try:
        main()
    except RecurraError as error:
        print(f"demo: {error}", file=sys.stderr)
        sys.exit(error.exit_code)
