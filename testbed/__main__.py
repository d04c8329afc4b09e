"""``python -m testbed``: each command does what is missing, and nothing when nothing is."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from gocdnext_sdk.errors import Error
from testbed import (
    bases,
    checking,
    engine,
    environment,
    images,
    pulling,
    raising,
    rehearsal,
    scanning,
    tools,
    trivydb,
)
from testbed.cache import SetupError
from testbed.pins import pins


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m testbed", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    add = commands.add_parser("engine", help="the Docker engine that everything runs on")
    add.add_argument("action", choices=["up", "down", "remove", "status"])
    add = commands.add_parser("tools", help="make pinned tools and print where they are")
    add.add_argument("names", nargs="+", choices=[name for name, pin in pins().items() if pin.path])
    add = commands.add_parser(
        "bases", help="make the stand-in of a base image, or push it to a local registry"
    )
    add.add_argument("name", choices=bases.PLATFORMS)
    add.add_argument("ref", nargs="?", help="where to push it, such as localhost:5000/base/python:3.13")
    add = commands.add_parser("setup", help="make whatever is missing")
    add.add_argument("extent", nargs="?", choices=list(environment.TOOLS), default="demo")
    commands.add_parser("images", help="build the base image and the plugins' images, and list their sizes")
    add = commands.add_parser(
        "trivy-db", help="push the small trivy database to a local registry, or build it anew"
    )
    add.add_argument("action", choices=["build", "push"])
    add.add_argument(
        "ref",
        nargs="?",
        help="such as localhost:5000/trivy/db:2; login in REGISTRY_USERNAME, REGISTRY_PASSWORD. With build, "
        "a file: for a database of public advisories instead",
    )
    commands.add_parser("scan", help="scan the images of the release and the locks, by public advisories")
    add = commands.add_parser("pins", help="propose newer releases of what is pinned, and write them")
    add.add_argument("name", nargs="?", choices=list(pins()), help="this one only")
    add.add_argument("version", nargs="?", help="to this version; the newest if not given")
    add.add_argument("--digest", help="of its image, where the registry cannot be reached from here")
    add.add_argument("--write", action="store_true", help="write what is proposed")
    add = commands.add_parser("pulling", help="run the demo and tests as a host does that can pull")
    add.add_argument("cases", nargs="*", help=f"of {', '.join(pulling.CASES)}; all if none is named")
    add.add_argument("--tests", required=True, help="the arguments of pytest there")
    commands.add_parser(
        "check-pins", help="ask the registries, and the public Sigstore, about what is pinned"
    )
    add = commands.add_parser("rehearse", help="run the release pipeline against registries that end with it")
    add.add_argument(
        "architectures", nargs="*", default=rehearsal.ARCHITECTURES, help="amd64 and arm64 if none is named"
    )
    commands.add_parser("env", help='print the environment: eval "$(python -m testbed env)"')
    options = parser.parse_args()
    try:
        _act(options)
    except (SetupError, Error) as mistake:
        if os.environ.get("GOCDNEXT_DEBUG"):
            raise
        print(f"setup: {mistake}", file=sys.stderr)
        return 1
    return 0


def _act(options: argparse.Namespace) -> None:
    match options.command:
        case "engine":
            act = {"up": engine.up, "down": engine.down, "remove": engine.remove, "status": engine.status}
            print(act[options.action]() or "", end="\n")
        case "tools":
            tools.get(*options.names)
            print("\n".join(f"{name} {tools.binary(name)}" for name in options.names))
        case "bases" if options.ref:
            bases.push(options.name, options.ref)
        case "bases":
            print(bases.image(options.name))
        case "setup":
            environment.setup(options.extent)
        case "images":
            print(images.listing(environment.setup("images")))
        case "trivy-db" if options.action == "build" and options.ref:
            print(trivydb.build_public(Path(options.ref), scanning.sources()))
        case "trivy-db" if options.action == "build":
            print(trivydb.build())
        case "trivy-db":
            username, password = (os.environ.get(f"REGISTRY_{each}", "") for each in ("USERNAME", "PASSWORD"))
            print(trivydb.push(options.ref, username, password))
        case "scan":
            environment.setup("test")
            scanning.main()
        case "pins":
            raising.main(options.name, options.version, options.digest, write=options.write)
        case "pulling":
            pulling.main(options.cases or list(pulling.CASES), options.tests)
        case "check-pins":
            checking.main()
        case "rehearse":
            sys.exit(rehearsal.rehearse(tuple(options.architectures)))
        case _:
            print(environment.exports())


if __name__ == "__main__":
    sys.exit(main())
