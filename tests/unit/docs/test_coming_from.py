"""The page for those who come from other plugins: every input of theirs, and only what there is here."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from gocdnext_sdk.host.manifest.load import load_plugin

ROOT = Path(__file__).parents[3]
PAGE = (ROOT / "docs" / "coming-from.md").read_text()
SECTIONS = dict(re.findall(r"^## (.+?)\n(.*?)(?=^## |\Z)", PAGE, re.MULTILINE | re.DOTALL))
ROWS = {
    name: [
        [cell.strip() for cell in row.strip("|").split("|")]
        for row in re.findall(r"^\|.*`.*\|$", text, re.MULTILINE)
    ]
    for name, text in SECTIONS.items()
}

# From their action.yml and flags, at the versions that the page names.
THEIRS = {
    "docker/build-push-action": (
        "add-hosts allow annotations attests build-args build-contexts builder cache-from cache-to call "
        "cgroup-parent context file labels load network no-cache no-cache-filters outputs platforms "
        "provenance pull push sbom secrets secret-envs secret-files shm-size ssh tags target ulimit "
        "github-token"
    ),
    "docker/metadata-action": (
        "context images tags flavor labels annotations sep-tags sep-labels sep-annotations bake-target "
        "github-token"
    ),
    "docker/login-action": ("registry username password ecr scope logout registry-auth"),
    "docker/setup-buildx-action": (
        "version driver driver-opts buildkitd-flags buildkitd-config buildkitd-config-inline use name "
        "endpoint platforms append keep-state cache-binary cleanup"
    ),
    "drone-plugins/drone-docker": (
        "add_host artifact_file auto_label auto_tag auto_tag_suffix base_image_password "
        "base_image_registry base_image_username bip build_args build_args_from_env build_args_new "
        "cache_from compress config context cosign_params cosign_password cosign_private_key custom_dns "
        "custom_dns_search custom_labels no_push daemon_off daemon_retry_count debug default_suffix "
        "default_tags dockerfile docker_password docker_registry docker_username dry_run email "
        "experimental insecure label_schema mirror mtu multiple_build_args no_cache password platform "
        "pull_image purge push_only quiet registry registry_type repo repo_link secret secrets_from_env "
        "secrets_from_file source_image squash ssh_agent_key storage_driver storage_path tag tags "
        "target username"
    ),
    "thegeeklab/wp-docker-buildx": (
        "add_host auto_label auto_tag auto_tag_suffix bip build_args build_args_from_env "
        "buildkit_config cache_from cache_to compress containerfile context custom_dns "
        "custom_dns_search daemon_off debug dry_run email experimental extra_tags insecure "
        "insecure_skip_verify ipv6 labels log_level max_concurrent_uploads mirror mtu named_context "
        "no_cache output password platforms provenance pull_image quiet registry registry_config repo "
        "sbom secrets storage_driver storage_path tags target username environment tag default_tags "
        "default_suffix default_labels"
    ),
}


@pytest.mark.parametrize("peer", THEIRS)
def test_every_input_of_theirs_is_there(peer: str) -> None:
    listed = {word for row in ROWS[peer] for word in re.findall(r"`([^`]+)`", row[0])}
    assert listed >= set(THEIRS[peer].split())


def test_what_is_named_here_exists() -> None:
    keys = {
        name.replace("_", "-")
        for plugin in ("buildx", "docker-push", "cosign")
        for name in load_plugin(ROOT / "plugins" / plugin).inputs.model_fields
    }
    named = {re.split("[:=]", word)[0] for rows in ROWS.values() for row in rows for word in _words(row[1])}
    assert named <= keys


def test_what_is_missing_has_a_reason() -> None:
    for rows in ROWS.values():
        assert all(row[2] for row in rows if row[1] == "\N{EN DASH}")


def _words(cell: str) -> list[str]:
    return re.findall(r"`([^`]+)`", cell)
