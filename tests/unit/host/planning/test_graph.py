"""The order of jobs as a picture."""

from __future__ import annotations

from xml.etree import ElementTree as ET

from gocdnext_sdk.host.pipeline import parse_text
from gocdnext_sdk.host.pipeline.graph import Graph
from gocdnext_sdk.host.planning.graph import as_mermaid, as_text
from gocdnext_sdk.host.planning.graph_svg import as_svg

TEXT = """
stages: [a, b]
jobs:
  x: {stage: a, image: i, script: [s], parallel: {matrix: [{OS: ["one", "t]wo"]}]}}
  y: {stage: b, image: i, script: [s], needs: [x]}
"""


def test_text_has_stages_jobs_and_what_they_wait_for() -> None:
    lines = as_text(Graph.of(parse_text(TEXT, "p.yaml"))).splitlines()
    assert lines[0] == "a"
    assert lines[-3:] == ["  ↓", "b", "  y ← x"]
    assert len(lines) == 6


def test_mermaid_has_an_arrow_from_each_cell_and_labels_that_are_no_markup() -> None:
    lines = as_mermaid(Graph.of(parse_text(TEXT, "p.yaml"))).splitlines()
    assert lines[0] == "flowchart LR"
    assert lines[-3:] == ["  s0 --> s1", "  j0 -.-> j2", "  j1 -.-> j2"]
    assert sum("]" in line for line in lines) == sum(line.endswith('"]') for line in lines) == 5


def test_svg_is_xml_with_a_box_for_each_job_and_a_curve_for_each_need() -> None:
    text = TEXT.replace("  x:", '  "<x>&":').replace("needs: [x]", 'needs: ["<x>&"]')
    drawn = ET.fromstring(as_svg(Graph.of(parse_text(text, "p.yaml"))))
    found = drawn.findall(".//{*}rect[@class='job']"), drawn.findall(".//{*}path[@class='need']")
    assert tuple(map(len, found)) == (3, 2)
    texts = [each.text for each in drawn.findall(".//{*}text")]
    assert (len(texts), texts[:2], texts[-1]) == (5, ["a", "b"], "y")
    assert all("<x>&" in str(each) for each in texts[2:4])
