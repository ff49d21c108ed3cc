"""`python -m mdlray.report FOLDER`: figures and report.html of one sweep. Exit codes: 0 written, 2 bad input."""

from typing import Annotated

import typer


def main(
    folder: Annotated[str, typer.Argument(help="A sweep's results, here or s3://bucket/prefix/NAME.")],
) -> None:
    """Draw the figures of a sweep and write its report.html, from the rows it has now."""
    # Only now: --help need not wait for matplotlib.
    from mdlray.report import write_report

    try:
        written = write_report(folder)
    except (OSError, ValueError) as reason:
        typer.echo(f"mdlray.report: {reason}", err=True)
        raise typer.Exit(2) from reason
    for path in written:
        typer.echo(path)


if __name__ == "__main__":
    typer.run(main)
