"""`gocdnext-plugin sigstore`: a registry and a private Sigstore that several local runs share."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from queue import SimpleQueue
from typing import TYPE_CHECKING

import click

from gocdnext_sdk.errors import Error, UsageError
from gocdnext_sdk.host.cli.interrupt import interruptible
from gocdnext_sdk.host.harness.engine.local import local_engine
from gocdnext_sdk.host.harness.local_registry import LocalRegistry
from gocdnext_sdk.host.harness.session import Session

if TYPE_CHECKING:
    from gocdnext_sdk.host.harness.local_sigstore import LocalSigstore

STATE = "running.json"
"""The file that holds what other commands need, the issuer's private key included."""


@click.command("sigstore", short_help="Start a private Sigstore. FOR LOCAL USE AND TESTS ONLY.")
@click.argument("folder", metavar="DIRECTORY", type=click.Path(path_type=Path))
def command(folder: Path) -> None:
    """Start a registry and a private Sigstore, FOR LOCAL USE AND TESTS ONLY, until Ctrl-C.

    DIRECTORY is created. It gets signing-config.json, trusted-root.json, and what
    `gocdnext-plugin run FILE --sigstore-at DIRECTORY` needs to issue identity tokens and use both.
    The keys are new each time, LIE UNPROTECTED THERE AND IN A CONTAINER, and are removed with everything else
    when this command ends. NEVER TRUST THEM FOR ANYTHING THAT IS PUBLISHED.
    """
    signals: SimpleQueue[int] = SimpleQueue()
    with _made(folder), interruptible() as stop, Session(local_engine(), stop) as session:
        registry = session.start_registry()
        sigstore = session.start_sigstore(registry.network)
        _write(folder, registry, sigstore)
        click.echo("A PRIVATE SIGSTORE FOR LOCAL USE AND TESTS ONLY is up.")
        click.echo(f"issuer:    {sigstore.issuer}")
        click.echo(f"registry:  {registry.address}")
        click.echo(f"its login: {registry.username}, with the password in {folder / STATE}")
        click.echo(f"documents: {folder / 'signing-config.json'}, {folder / 'trusted-root.json'}")
        click.echo(f"use it:    gocdnext-plugin run FILE --sigstore-at {folder}")
        click.echo("stop it:   Ctrl-C; nothing is left behind")
        with stop.heard_by(signals.put):
            signals.get()


def running(folder: Path) -> tuple[LocalRegistry, LocalSigstore]:
    """Return what `gocdnext-plugin sigstore DIRECTORY` started.

    Raises:
        UsageError: nothing says that it runs.
    """
    from gocdnext_sdk.host.harness.local_sigstore import LocalSigstore

    try:
        state = json.loads((folder / STATE).read_text())
        return LocalRegistry(**state["registry"]), LocalSigstore.load(state["sigstore"])
    except (OSError, ValueError, KeyError, TypeError):
        raise UsageError(
            f"--sigstore-at: no Sigstore runs at {folder}; start one with `gocdnext-plugin sigstore {folder}`"
        ) from None


@contextmanager
def _made(folder: Path) -> Iterator[None]:
    """Make `folder` for this time."""
    try:
        folder.mkdir(mode=0o700)
    except FileExistsError:
        raise UsageError(
            f"{folder} exists already; name a new directory, which is removed at the end"
        ) from None
    except OSError as error:
        raise Error(f"{folder} cannot be made: {error.strerror}") from None
    try:
        # Jobs get no ignored file of the checkout, should it be there.
        (folder / ".gitignore").write_text("*\n")
        yield
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _write(folder: Path, registry: LocalRegistry, sigstore: LocalSigstore) -> None:
    (folder / "signing-config.json").write_text(json.dumps(sigstore.signing_config, indent=2) + "\n")
    (folder / "trusted-root.json").write_text(json.dumps(sigstore.trusted_root, indent=2) + "\n")
    account = {name: getattr(registry, name) for name in ("container", "port", "username", "password")}
    state = folder / STATE
    state.touch(mode=0o600)
    state.write_text(json.dumps({"registry": account, "sigstore": sigstore.dump()}))
