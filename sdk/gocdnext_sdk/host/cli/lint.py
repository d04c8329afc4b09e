"""`gocdnext-plugin lint`: check pipelines before anything runs."""

from __future__ import annotations

import os
from pathlib import Path

import click

from gocdnext_sdk.host.cli.options import plugins_option
from gocdnext_sdk.host.cli.project import nearest
from gocdnext_sdk.host.lint.check import NothingToLint, lint_files, pipelines, unknown_plugins
from gocdnext_sdk.host.lint.report import FORMATS, explain
from gocdnext_sdk.host.lint.rule import RULES, Severity
from gocdnext_sdk.host.manifest.catalog import Catalog


def _explain(ctx: click.Context, param: click.Parameter, id_: str | None) -> None:
    if id_ is None or ctx.resilient_parsing:
        return
    rule = RULES.get(id_.upper())
    if rule is None:
        raise click.BadParameter(f"there is no rule {id_}; `--rules` lists them", ctx, param)
    click.echo("\n".join(explain(rule)))
    ctx.exit()


def _list(ctx: click.Context, param: click.Parameter, wanted: bool) -> None:
    if wanted and not ctx.resilient_parsing:
        for id_, rule in sorted(RULES.items()):
            click.echo(f"{id_}  {rule.severity:7}  {rule.title}")
        ctx.exit()


@click.command("lint", short_help="Check pipelines before anything runs.")
@click.argument("paths", nargs=-1, type=click.Path(path_type=Path, exists=True))
@plugins_option
@click.option("--format", "format_", type=click.Choice(list(FORMATS)), default="text", show_default=True)
@click.option("--strict", is_flag=True, help="Fail on warnings too.")
@click.option("--explain", metavar="RULE", callback=_explain, is_eager=True, help="Explain a rule and exit.")
@click.option("--rules", is_flag=True, callback=_list, is_eager=True, help="List the rules and exit.")
@click.pass_context
def command(
    ctx: click.Context,
    paths: tuple[Path, ...],
    plugins: tuple[Path, ...],
    format_: str,
    strict: bool,
    explain: None,
    rules: None,
) -> None:
    """Check pipelines: files, or directories with a .gocdnext. [default: the current one, or one above it]

    The exit code is 0 if nothing is wrong, 1 if there are errors (or warnings, with --strict), and 2 if the
    command is wrong. A comment `# gocdnext: ignore=RULE reason` suppresses a rule on its line or the next.
    """
    catalog = Catalog.load(plugins)
    files = _files(paths)
    if unknown := unknown_plugins(files, catalog):
        from gocdnext_sdk.host.harness.image_manifests import manifests_here

        catalog = catalog.with_images(manifests_here(unknown))
    findings = lint_files(files, catalog)
    click.echo(FORMATS[format_](findings, len(files)))
    failing = {Severity.ERROR, Severity.WARNING} if strict else {Severity.ERROR}
    ctx.exit(any(finding.rule.severity in failing for finding in findings))


def _files(paths: tuple[Path, ...]) -> list[Path]:
    try:
        return list(dict.fromkeys(pipelines(paths or (Path(),))))
    except NothingToLint:
        above = [] if paths else nearest()
        if not above:
            raise
        return [Path(os.path.relpath(each)) for each in above]
