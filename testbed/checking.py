"""Whether the outside world says of the pinned images what ``tools.toml`` says; needs the internet.

A tag may have moved since it was pinned: rebuilt for fixes of its own base, or by somebody who should not.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator

from gocdnext_sdk import Credentials, Reference, RegistryClient, RegistryError, ToolError
from gocdnext_sdk.host.harness.signatures import unsigned
from gocdnext_sdk.tools.cosign.policy import Policy
from testbed import bases, tools
from testbed.cache import SetupError, say
from testbed.pins import Pin, pins

PLATFORMS = tuple(f"linux/{architecture}" for architecture in bases.PLATFORMS["python"])
"""What is published, and so needs every tool."""

Verifier = Callable[[Pin], str]
"""Returns why the image of a pin is not what its signer signed; nothing if it is."""


def main() -> None:
    """Ask about every pinned image, and say what was found.

    Raises:
        SetupError: something is not as it is pinned, or could not be asked.
    """
    registry = RegistryClient(Credentials.ambient(os.environ))
    chosen = [pin for pin in pins().values() if pin.image]
    (cosign,) = tools.get("cosign")
    binary = cosign / pins()["cosign"].path.lstrip("/")
    check(chosen, registry, lambda pin: unverified(str(binary), signer(pin), pin.image))


def check(chosen: Iterable[Pin], registry: RegistryClient, verifier: Verifier) -> None:
    """Check all of the pins, also after one that is wrong.

    Raises:
        SetupError: at least one is.
    """
    wrong = []
    for pin in chosen:
        found = list(problems(pin, registry, verifier))
        for problem in found:
            say(f"NOT SO  {pin.image}: {problem}")
        if found:
            wrong.append(pin.name)
        else:
            say(f"ok      {pin.image}{', signed' if pin.signer else ''}")
    if wrong:
        raise SetupError(f"not as pinned, or not to be asked: {', '.join(wrong)}")


def problems(pin: Pin, registry: RegistryClient, verifier: Verifier) -> Iterator[str]:
    """Yield what is not as the pin says."""
    tagged, _, digest = pin.image.partition("@")
    image = Reference.parse(tagged)
    try:
        there = registry.resolve(image).digest
        if there != digest:
            yield f"the tag is on {there} now; `python -m testbed pins {pin.name} {pin.version}` follows it"
        children = {str(each.platform): each for each in registry.platforms(image.with_digest(digest))}
        if not children:
            yield "the digest is of one image, not of an index of several platforms"
        for platform in PLATFORMS if children else ():
            if platform not in children:
                yield f"the digest has no {platform}"
            elif registry.find(image.with_digest(children[platform].digest)) is None:
                yield f"the registry has lost what the digest names for {platform}"
    except RegistryError as error:
        yield str(error)
        return
    if pin.signer and (problem := verifier(pin)):
        yield problem


def signer(pin: Pin) -> Policy:
    """Return who must have signed a pin's image."""
    return Policy(identity_regexp=pin.signer, issuer=pin.issuer)


def unverified(cosign: str, policy: Policy, image: str) -> str:
    """Return why cosign does not accept the signature of an image; nothing if it does.

    Args:
        cosign: the program.
        policy: who must have signed.
        image: with its digest.
    """
    try:
        return unsigned(cosign, policy, Reference.parse(image))
    except ToolError as error:
        return str(error)
