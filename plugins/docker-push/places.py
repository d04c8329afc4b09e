"""An image at the service that runs its registry, whose API takes the registry's login."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from gocdnext_sdk import Credential, Error, Job, Reference, Secret


@dataclass(frozen=True)
class Place:
    """An image at a service.

    Args:
        job: sends requests.
        url: of the service's API, without a slash at the end.
        login: at the registry, which serves for the API too.
        image: what the service is asked about.
    """

    job: Job
    url: str
    login: Credential | None
    image: Reference

    @property
    def credential(self) -> Credential:
        """The login.

        Raises:
            Error: there is none.
        """
        if self.login is None:
            what = f"the API of {self.image.registry} needs credentials for {self.image}"
            raise Error(what, "give username and password")
        return self.login

    def ask(self, method: str, path: str, **options: Any) -> Any:
        """Send a request with the login's name and password, and return the answer."""
        headers = {"Authorization": Secret(f"Basic {self.credential.basic.reveal()}")}
        return self.job.http(method, f"{self.url}{path}", headers=headers, **options)
