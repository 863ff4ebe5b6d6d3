"""What `watch` makes of a project: the feed of edits in both stages, and a picture that fits any terminal."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from rich.cells import cell_len
from rich.console import Console

from scenehub.client import Project, connect
from scenehub.server.app import Node
from scenehub.server.cli.feed import Feed
from scenehub.server.cli.screen import Frame, drawn
from scenehub.server.store.memory import MemoryStore
from tests.server.raw import PROJECT, running, token_for

SECONDS = 20.0


@asynccontextmanager
async def watched(hub: Node) -> AsyncIterator[tuple[Feed, Project]]:
    """A feed of the project, and Ada, who edits it."""
    feeds: list[Feed] = []

    def heard(_: object) -> None:
        for feed in feeds:
            feed.look()

    async with (
        connect(hub.url, token_for(hub, "eve"), project=PROJECT, on_event=heard) as eve,
        connect(hub.url, token_for(hub, "ada"), project=PROJECT) as ada,
    ):
        feed = Feed(eve, time.monotonic, lambda: "12:00:00")
        feed.look()
        feeds.append(feed)
        yield feed, ada


def shown(feed: Feed) -> list[tuple[str, str, int]]:
    return [(line.mark, line.words, line.count) for line in feed.lines if line.mark != "told"]


async def test_an_edit_is_shown_while_the_store_is_away_and_saved_when_it_is_back() -> None:
    """S1, S2, N4."""
    store = MemoryStore()
    async with running(store) as hub, watched(hub) as (feed, ada):
        intro = ada.add_scene("Intro", id="intro")
        await intro.saved(SECONDS)
        store.away = True
        longer = ada.set_scene("intro", duration=120)
        await feed.project.until(lambda _: feed.unsaved == 1, SECONDS)
        assert shown(feed)[-1] == ("unsaved", 'duration of "Intro" → 120', 1)
        await feed.project.until(lambda _: feed.project.status.state == "not saved", SECONDS)
        assert "not saved 1" in picture(feed, 100, 24)
        store.away = False
        await longer.saved(SECONDS)
        await feed.project.until(lambda _: feed.unsaved == 0, SECONDS)
        assert shown(feed)[-1][0] == "saved"


async def test_edits_of_the_same_field_go_into_one_line() -> None:
    async with running() as hub, watched(hub) as (feed, ada):
        await ada.add_scene("Intro", id="intro").saved(SECONDS)
        for duration in range(1, 11):
            await ada.set_scene("intro", duration=duration).saved(SECONDS)
        await feed.project.until(lambda _: bool(feed.lines) and feed.lines[-1].count == 10, SECONDS)
        assert shown(feed)[-1] == ("saved", 'duration of "Intro" → 10', 10)


async def test_who_is_here_and_who_leaves_is_told_by_name() -> None:
    async with running() as hub, watched(hub) as (feed, _):
        async with connect(hub.url, token_for(hub, "lin"), project=PROJECT) as lin:
            client = lin.client
            await feed.project.until(lambda p: client in {member.client for member in p.members}, SECONDS)
        await feed.project.until(lambda p: client not in {member.client for member in p.members}, SECONDS)
        told = [(feed.name(line.user), line.words) for line in feed.lines if line.mark == "told"]
        assert told[-2:] == [("Lin", "joined"), ("Lin", "left")]


def picture(feed: Feed, width: int, height: int) -> str:
    console = Console(width=width, height=height, color_system=None, force_terminal=False)
    with console.capture() as captured:
        console.print(drawn(feed, Frame(width, height, "film  ·  127.0.0.1:8787")))
    return captured.get()


@pytest.mark.parametrize(("width", "height"), [(80, 24), (160, 50), (116, 30), (60, 16), (40, 10), (250, 70)])
async def test_the_picture_fits(width: int, height: int) -> None:
    """Whatever the size, and whatever letters the names are made of."""
    async with running() as hub, watched(hub) as (feed, ada):
        for number in range(30):
            await ada.add_scene(f"場面 {number} 🎬 with a rather long name for a scene", duration=400).saved(SECONDS)
        ada.presence(scene=ada.scenes[3].id, field="tsx_code", playhead=12, activity="typing")
        await ada.say("長い話 " * 60).saved(SECONDS)
        await feed.project.until(lambda p: len(p.messages) == 1 and len(p.scenes) == 30, SECONDS)
        lines = picture(feed, width, height).split("\n")[:-1]
        assert len(lines) == height
        assert max(map(cell_len, lines)) <= width
        assert "Scenehub" in lines[0]
        assert "Scenes 30" in "\n".join(lines)
        assert "more" in "\n".join(lines) or height > 40
