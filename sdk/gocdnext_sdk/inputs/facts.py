"""What a plugin does with its inputs, as far as lint and plan must know, which look at whole pipelines.

Facts are declared on the plugin's class, written to ``plugin.yaml`` under ``x-`` keys, and read from there.
An input is named by its `with:` key.

```python
class Scanner(Plugin[ScannerInputs]):
    reads = (Reads("target", when={"scan-type": "image"}),)
    gates = Gates(unless={"advisory": "true"})
    daemon = DaemonUse("never")
```

Named tuples, not dataclasses: a job pays for each class at its start, and these cost a fraction.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, NamedTuple

When = Mapping[str, str | tuple[str, ...]]
"""Inputs, each with the value or the values it must have; a default counts, and nothing is always true.

Of several lines, one must. A value that only a run knows is none of them.
"""


class Publishes(NamedTuple):
    """The plugin builds an image, or copies one, and pushes it."""

    image: str
    """Names the image; several, if the input is a list."""
    tags: str = ""
    """Tags that are pushed beside one in `image`; `latest` if there is none at all."""
    push: str = ""
    """A boolean; if it is false, nothing is pushed."""
    by_digest: str = ""
    """A boolean; if it is true, the image is pushed without a tag."""
    platforms: str = ""
    """What is built for. An image of several platforms is lost if it is not pushed."""
    when: When = {}
    """The plugin publishes only with these inputs."""


class Reads(NamedTuple):
    """The plugin takes an image from a registry. Of several for one input, one has to hold."""

    image: str
    """Names the image; several, if the input is a list, of which each may be `IMAGE=FILE`."""
    when: When = {}
    """Only with these inputs."""
    unless: When = {}
    """Not with these."""
    without_daemon: bool = False
    """Only in a job without a Docker daemon: with one, the image may be the daemon's."""


class Writes(NamedTuple):
    """The plugin writes to a registry elsewhere than it `Publishes`: a cache, a report, a removed tag."""

    image: str
    """Names where: images, BuildKit's `type=registry,ref=IMAGE`, or `SOURCE=TARGET`, one a line."""
    when: When = {}
    """Only with these inputs."""


class Signs(NamedTuple):
    """The plugin signs an image that it `Publishes`, or else `Reads`, and pushes the signature beside it."""

    key: str = ""
    """Where the key is: a path, or a URI of a KMS."""
    key_content: str = ""
    """The key itself."""
    identity: str = ""
    """The identity token to sign with instead of a key."""
    identity_name: str = ""
    """The name under which the job's `id_tokens:` declares that token, when no input gives it or a key."""
    token: str = ""
    """The same, for a plugin with no such input: the name itself."""
    audience: str = ""
    """The audience that the token must have."""
    issuers: tuple[str, ...] = ()
    """Each says who issues the token; the first that is given counts."""
    signing_config: str = ""
    """Describes the Sigstore that it signs by, as JSON; without it and `services` that is the public one."""
    trusted_root: str = ""
    """Describes what to trust of that Sigstore, as JSON."""
    services: tuple[str, ...] = ()
    """Each names one service of a Sigstore."""
    offline: When = {}
    """With these inputs, and a key, it signs without a Sigstore."""
    optional: bool = False
    """Without a key and a token it does without the signature."""
    when: When = {}
    """The plugin signs only with these inputs. What is said of the keys holds always."""


class Gates(NamedTuple):
    """The job fails when what the plugin reads is not good enough, so that later jobs do not run."""

    when: When = {}
    """Only with these inputs."""
    unless: When = {}
    """Not with these."""


class DaemonUse(NamedTuple):
    """How the plugin uses the Docker daemon that a job has with `docker: true`."""

    needed: Literal["always", "maybe", "never"]
    """`maybe`: it works without one."""
    when: When = {}
    """Only with these inputs; never otherwise."""


class Downloads(NamedTuple):
    """The plugin downloads a database, which public registries ration."""

    repository: str
    """Names where it comes from, in a registry of one's own."""
    variable: str
    """The job's variable that names it too."""
    folder: str
    """Where it is kept in the checkout, for `cache:`."""
    unless: When = {}
    """Not with these inputs."""


class ReadsWorkspace(NamedTuple):
    """The plugin reads the checkout, so that an empty one is an error and never a result."""

    path: str = ""
    """Names what it reads, if it is not all: a directory that an input names must not be empty either."""
    when: When = {}
    """Only with these inputs."""
    unless: When = {}
    """Not with these."""
