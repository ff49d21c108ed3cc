"""`python -m mdlray.report FOLDER [--with OTHER]…`: figures and report.html of one sweep, written into FOLDER.

Exit codes: 0 written, 2 bad input.
"""

import io
import sys
from typing import Annotated

import typer


def main(
    folder: Annotated[str, typer.Argument(help="A sweep's results, here or s3://bucket/prefix/NAME.")],
    others: Annotated[
        list[str] | None,
        typer.Option("--with", help="Results of another sweep whose rows take part; may be given again."),
    ] = None,
    study: Annotated[
        str | None, typer.Option(help="The study whose printed numbers take part (default: the sweep's own).")
    ] = None,
) -> None:
    """Draw the figures of a sweep and write its report.html, from the rows it and those --with it have now."""
    # Only now: --help need not wait for matplotlib.
    from mdlray.report import notes_on, study_of, write_report
    from mdlray.studies.registry import find_study

    if isinstance(sys.stdout, io.TextIOWrapper):
        # A folder's name may have bytes that cannot be printed: they become `?`.
        sys.stdout.reconfigure(errors="replace")
    try:
        written = write_report(folder, others or [], find_study(study_of(folder) if study is None else study))
    except (OSError, ValueError) as reason:
        typer.echo(f"mdlray.report: {reason}", err=True)
        raise typer.Exit(2) from reason
    for note in notes_on(folder):
        typer.echo(f"note: {note}", err=True)
    for path in written:
        typer.echo(path)


if __name__ == "__main__":
    typer.run(main)
