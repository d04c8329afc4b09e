"""The clouds whose registries take an identity token, and what each has to know."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from gocdnext_sdk.errors import HttpError, Invalid, doing
from gocdnext_sdk.inputs.clouds.google import KEY_FILE, service_account_key
from gocdnext_sdk.inputs.clouds.identity import Cloud, RegistryIdentity, Word
from gocdnext_sdk.oci.credentials import Credential
from gocdnext_sdk.oci.reference import Registry
from gocdnext_sdk.secret import Secret
from gocdnext_sdk.workspace import read_text

if TYPE_CHECKING:
    from gocdnext_sdk.runtime.job import Job

_UUID = "[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}"


ECR = Cloud(
    "ECR",
    r"[0-9]{12}\.dkr\.ecr(-fips)?\.[a-z0-9-]+\.amazonaws\.com(\.cn)?",
    (Word("ROLE", r"arn:aws[a-z-]*:iam::[0-9]{12}:role/[\w+=,.@/-]+", optional=True),),
    lambda words: "sts.amazonaws.com",
    ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"),
    "AWS_WEB_IDENTITY_TOKEN_FILE",
    ("AWS_ROLE_ARN",),
)
GOOGLE = Cloud(
    "Artifact Registry",
    r"[a-z0-9-]+-docker\.pkg\.dev|([a-z]+\.)?gcr\.io",
    (
        Word("PROVIDER", r"projects/[0-9]+/locations/global/workloadIdentityPools/[\w-]+/providers/[\w-]+"),
        Word("SERVICE_ACCOUNT", r"[\w.-]+@[\w.-]+\.gserviceaccount\.com", optional=True),
    ),
    lambda words: f"https://iam.googleapis.com/{words[0]}",
    (KEY_FILE,),
)
AZURE = Cloud(
    "ACR",
    r"[a-z0-9-]+\.azurecr\.io",
    (Word("TENANT", _UUID), Word("CLIENT", _UUID)),
    lambda words: "api://AzureADTokenExchange",
    ("AZURE_CLIENT_ID", "AZURE_CLIENT_SECRET"),
    "AZURE_FEDERATED_TOKEN_FILE",
    ("AZURE_TENANT_ID", "AZURE_CLIENT_ID"),
)
HUB = Cloud(
    "Docker Hub",
    r"docker\.io",
    (Word("ORGANISATION", r"[a-z0-9_-]+"), Word("CONNECTION", _UUID)),
    lambda words: "https://identity.docker.com",
)
CLOUDS = (ECR, GOOGLE, AZURE, HUB)


def parse_identity(line: str) -> RegistryIdentity:
    """Read `HOST WORD…`.

    Raises:
        ValueError: it names no registry of a cloud, or not what that cloud has to know.
    """
    first, *words = line.split()
    try:
        registry = Registry.parse(first)
    except ValueError:
        raise Invalid("does not begin with a registry host", "such as europe-docker.pkg.dev") from None
    cloud = next((each for each in CLOUDS if re.fullmatch(each.host, registry.host)), None)
    if cloud is None:
        names = ", ".join(each.name for each in CLOUDS)
        raise Invalid("names no registry that takes an identity token", f"those are {names}")
    form = " ".join(f"[{each.name}]" if each.optional else each.name for each in cloud.words)
    needed = sum(not each.optional for each in cloud.words)
    if not needed <= len(words) <= len(cloud.words) or not all(
        re.fullmatch(each.pattern, word) for each, word in zip(cloud.words, words, strict=False)
    ):
        raise Invalid(f"is not HOST {form}", f"that is what {cloud.name} has to know")
    return RegistryIdentity(registry, cloud, tuple(words))


def by_keys(registries: Iterable[Registry], job: Job) -> Iterator[RegistryIdentity]:
    """Yield who logs in at clouds' registries by the job's own variables.

    Args:
        registries: where the job's images are.
        job: has the variables, and the files that they name.
    """
    for registry in registries:
        for cloud in CLOUDS:
            if not (cloud.keys and re.fullmatch(cloud.host, registry.host)):
                continue
            if cloud is GOOGLE and KEY_FILE in job.environ and not service_account_key(job):
                job.warn(
                    f"no login at {registry}: {KEY_FILE} names no file with the key of a service account"
                )
            elif all(map(job.environ.get, cloud.keys)):
                yield RegistryIdentity(registry, cloud, ())
            elif found := _by_token_file(registry, cloud, job):
                yield found


def _by_token_file(registry: Registry, cloud: Cloud, job: Job) -> RegistryIdentity | None:
    """Return who logs in by a token that a machine of the cloud puts into a file."""
    path, words = (
        job.environ.get(cloud.token_file),
        tuple(job.environ.get(each, "") for each in cloud.named_by),
    )
    if not path or not all(words):
        return None
    try:
        token = read_text(job.workspace / path).strip()
    except (OSError, ValueError):
        job.warn(f"no login at {registry}: {cloud.token_file} names no file that can be read")
        return None
    return RegistryIdentity(registry, cloud, words, Secret(token))


def log_in(identity: RegistryIdentity, token: Secret, job: Job) -> Credential:
    """Exchange an identity token, or the job's keys, for a login at a registry, by the cloud's own protocol.

    Args:
        identity: who logs in where.
        token: the job's, if one is needed; it is sent to the cloud's token service only.
        job: sends the requests, and hides what they are answered with.

    Raises:
        HttpError: the cloud refuses, or cannot be reached.
    """
    from gocdnext_sdk.inputs.clouds import aws, azure, google, hub

    protocols = {ECR: aws.log_in, GOOGLE: google.log_in, AZURE: azure.log_in, HUB: hub.log_in}
    job.mask(token)
    with doing(f"logging in to {identity.registry} by the job's {identity.by}"):
        try:
            found = protocols[identity.cloud](identity, token, job)
        except (KeyError, TypeError, ValueError, IndexError):
            raise HttpError(f"{identity.cloud.name} answered in an unknown form") from None
    for secret in found.secrets:
        job.mask(secret)
    job.say(f"logged in to {identity.registry} by the job's {identity.by}")
    return found
