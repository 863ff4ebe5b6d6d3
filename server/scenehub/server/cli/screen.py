"""Screen: a project as `scenehub watch` draws it, for any size of terminal. Pure: state in, lines of text out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from rich.cells import cell_len
from rich.console import Group
from rich.text import Text

from scenehub.protocol.document import SCENE, Scene
from scenehub.protocol.presence import Member

from .feed import Feed, Line
from .summary import one_line

WIDE = 116
"""Columns from which on the edits stand beside the scenes."""
FLASH = 1.6
"""Seconds for which a scene shows who has just changed it."""
SAVED, UNSAVED, BAD, QUIET = "green", "yellow", "red", "bright_black"
STATE_STYLES = {"live": SAVED, "saving": UNSAVED, "not saved": BAD, "offline": BAD}
MARKS = {"unsaved": ("○", UNSAVED), "saved": ("●", SAVED), "gone": ("✗", BAD), "told": ("·", QUIET)}


@dataclass(frozen=True, slots=True)
class Frame:
    """How much room there is, and what stands around the project."""

    width: int
    height: int | None
    """None: as many lines as there are."""
    where: str
    keys: bool = True
    """Whether there are keys to press."""


def drawn(feed: Feed, frame: Frame) -> Group:
    """The whole picture, `frame.height` lines of at most `frame.width` columns."""
    head = _head(feed, frame)
    foot = _foot(frame)
    room = None if frame.height is None else max(4, frame.height - len(head) - len(foot))
    body = _wide(feed, frame.width, room) if frame.width >= WIDE else _narrow(feed, frame.width, room)
    if room is not None:
        body = (body + [Text()] * room)[:room]
    lines = [*head, *body, *foot]
    for line in lines:
        line.no_wrap = True
        line.truncate(frame.width, overflow="ellipsis")
    return Group(*lines)


# Around.


def _head(feed: Feed, frame: Frame) -> list[Text]:
    project = feed.project
    fields = project.fields
    fps = fields.get("fps") or 30
    frames = sum(scene.duration for scene in project.scenes)
    left = Text(" ").append("Scenehub", style="bold magenta").append("  ")
    left.append(one_line(str(fields.get("name", "")), 40), style="bold")
    right = _status(feed)
    picture = f"{fields.get('width')}×{fields.get('height')} at {fps} fps"
    about = Text(" ", style=QUIET).append(f"{frame.where}  ·  {picture}  ·  {clock_of(frames, fps)}", style=QUIET)
    position = feed.replica.position
    seq = Text().append("seq ", style=QUIET).append(f"{position.seq if position else '–'} ", style="bold")
    return [_apart(left, right, frame.width), _apart(about, seq, frame.width)]


def _status(feed: Feed) -> Text:
    status = feed.project.status
    state = status.state
    if state == "live" and feed.unsaved:
        return Text(f"○ saving {feed.unsaved} ", style=f"bold {UNSAVED}")
    words = f"● {state}" if state == "live" else f"○ {state}"
    if state == "offline" and status.offline_since is not None:
        words = f"○ offline since {status.offline_since.astimezone():%H:%M:%S}"
    elif feed.unsaved and state != "live":
        words += f" {feed.unsaved}"
    return Text(f"{words} ", style=f"bold {STATE_STYLES[state]}")


def _foot(frame: Frame) -> list[Text]:
    if not frame.keys:
        return []
    text = Text(" ").append("○", style=UNSAVED).append(" shown  ", style=QUIET).append("●", style=SAVED)
    text.append(" saved  ", style=QUIET).append("✗", style=BAD).append(" taken back  ", style=QUIET)
    text.append("⚡", style=UNSAVED).append("met another's change", style=QUIET)
    return [_apart(text, Text("q", style="bold").append(" quits ", style=QUIET), frame.width)]


# Bodies.


def _narrow(feed: Feed, width: int, room: int | None) -> list[Text]:
    """One column: scenes, members, edits, chat."""
    scenes, messages = feed.project.scenes, feed.project.messages
    if room is None:
        return [*_scenes(feed, scenes, width, None), *_members(feed, width, None), *_chat(feed, width, 3)]
    chat = _chat(feed, width, 1 if room < 24 else 3) if messages else []
    members = _members(feed, width, 1 if room < 26 else 5)
    edits_least = 5
    scenes_room = max(4, room - len(chat) - len(members) - edits_least)
    table = _scenes(feed, scenes, width, scenes_room)
    edits = _edits(feed, width, room - len(chat) - len(members) - len(table))
    return [*table, *members, *edits, *chat]


def _wide(feed: Feed, width: int, room: int | None) -> list[Text]:
    """Two columns: scenes and members, edits and chat."""
    left_width = min(96, int(width * 0.53))
    right_width = width - left_width - 3
    if room is None:
        left = [*_scenes(feed, feed.project.scenes, left_width, None), *_members(feed, left_width, None)]
        return _beside(left, _chat(feed, right_width, len(left) - 1), left_width, len(left))
    members = _members(feed, left_width, max(2, min(12, room // 4)))
    chat = _chat(feed, left_width, max(1, min(10, room // 5)))
    table = _scenes(feed, feed.project.scenes, left_width, max(4, room - len(members) - len(chat) - 2))
    left = [*table, Text(), *members]
    left += [Text()] * (1 if chat else 0) + chat
    return _beside(left, _edits(feed, right_width, room), left_width, room)


def _beside(left: Sequence[Text], right: Sequence[Text], width: int, rows: int) -> list[Text]:
    lines = []
    for index in range(rows):
        line = left[index].copy() if index < len(left) else Text()
        line.truncate(width, overflow="ellipsis", pad=True)
        line.append(" │ ", style=QUIET)
        if index < len(right):
            line.append_text(right[index])
        lines.append(line)
    return lines


def _title(words: str, width: int, aside: str = "") -> Text:
    line = Text(" ").append(words, style="bold cyan").append(" ")
    if aside:
        line.append(f"{aside} ", style=QUIET)
    return line.append("─" * max(0, width - cell_len(line.plain) - 1), style=QUIET)


# Scenes.


def _scenes(feed: Feed, scenes: Sequence[Scene], width: int, room: int | None) -> list[Text]:
    fps = feed.project.fields.get("fps") or 30
    total = sum(scene.duration for scene in scenes)
    lines = [_title("Scenes", width, f"{len(scenes)}" if scenes else "")]
    if not scenes:
        return [*lines, Text("  none yet", style=QUIET)]
    fitting = len(scenes) if room is None else max(1, room - 1)
    shown = list(scenes)
    if len(scenes) > fitting:
        shown = _window(feed, scenes, fitting - 1)
    on = _who_is_on(feed.project.members)
    name_width = max(10, min(28, width - 47, max(cell_len(scene.name) for scene in shown)))
    bar = min(28, width - name_width - 46)
    bar = bar if bar >= 8 else 0
    number = {scene.id: index for index, scene in enumerate(scenes, 1)}
    lines += [
        _scene(feed, scene, number[scene.id], fps, total, name_width, bar, on.get(scene.id, [])) for scene in shown
    ]
    if len(shown) < len(scenes):
        lines.append(Text(f"     … {len(scenes) - len(shown)} more", style=QUIET))
    return lines


def _window(feed: Feed, scenes: Sequence[Scene], count: int) -> list[Scene]:
    """As many scenes as fit, around the one that was changed last."""
    ids = [scene.id for scene in scenes]
    latest = max((id for id in feed.touched if id in ids), key=lambda id: feed.touched[id][0], default=ids[0])
    start = max(0, min(ids.index(latest) - count // 2, len(scenes) - count))
    return list(scenes[start : start + count])


def _scene(
    feed: Feed, scene: Scene, number: int, fps: int, total: int, name_width: int, bar: int, on: Sequence[Member]
) -> Text:
    unsaved = bool(feed.project.view.unsaved_fields(SCENE, scene.id))
    at, user = feed.touched.get(scene.id, (-FLASH, ""))
    fresh = feed.now() - at < FLASH
    colour = feed.colour(user)
    line = Text().append(f" {number:>3}  ", style=QUIET)
    line.append(_padded(scene.name, name_width), style=f"bold {colour}" if fresh else "")
    line.append("  ").append("○" if unsaved else "●", style=UNSAVED if unsaved else SAVED).append("  ")
    line.append(f"{seconds_of(scene.start, fps):>6} – {seconds_of(scene.start + scene.duration, fps):<6}", style=QUIET)
    line.append(f"{scene.duration:>5} f", style=f"bold {UNSAVED}" if unsaved else "")
    line.append("  ")
    if bar:
        line.append_text(_bar(scene, total, bar, colour if fresh else ("yellow" if unsaved else "blue")))
        line.append("  ")
    for member in on:
        line.append("▍", style=member.colour).append(f"{one_line(member.name, 10)} ", style=member.colour)
    return line


def _bar(scene: Scene, total: int, width: int, style: str) -> Text:
    """Where the scene lies in the whole video."""
    first = int(scene.start / total * width)
    last = max(first + 1, round((scene.start + scene.duration) / total * width))
    line = Text("╌" * first, style=QUIET)
    line.append("━" * (last - first), style=style)
    return line.append("╌" * (width - last), style=QUIET)


def _who_is_on(members: Sequence[Member]) -> dict[str, list[Member]]:
    on: dict[str, list[Member]] = {}
    for member in members:
        if member.presence is not None and member.presence.scene is not None:
            on.setdefault(member.presence.scene, []).append(member)
    return on


# Members.


def _members(feed: Feed, width: int, room: int | None) -> list[Text]:
    members = sorted(feed.project.members, key=lambda member: (member.client != feed.project.client, member.name))
    title = _title("Members", width, str(len(members)))
    if room == 1:
        line = Text(" ")
        for member in members:
            name = "you" if member.client == feed.project.client else one_line(member.name, 14)
            line.append(" ● ", style=member.colour).append(name, style=_faded(member))
            line.append(f" {_place(feed, member)}" if _place(feed, member) else "", style=QUIET)
        return [title, line if members else Text("  –", style=QUIET)]
    rows = [_member(feed, member, width) for member in members]
    if room is not None and len(rows) > room:
        hidden = len(rows) - room + 1
        rows = [*rows[: room - 1], Text(f"   … {hidden} more", style=QUIET)]
    return [title, *rows]


def _member(feed: Feed, member: Member, width: int) -> Text:
    line = Text("  ").append("● ", style=QUIET if member.idle else member.colour)
    own = member.client == feed.project.client
    line.append(_padded(member.name + (" (you)" if own else ""), 22), style=_faded(member))
    line.append(f"{member.role.value:<10}", style=QUIET)
    line.append(one_line("idle" if member.idle else _place(feed, member), max(8, width - 38)), style=QUIET)
    return line


def _faded(member: Member) -> str:
    return QUIET if member.idle else member.colour


def _place(feed: Feed, member: Member) -> str:
    """What a member does, and where."""
    where = member.presence
    if where is None:
        return ""
    name = feed.scene_name(where.scene) if where.scene is not None else None
    told = [where.activity or "", f'in "{name}"' if name else "", f"at {where.field}" if where.field else ""]
    if where.playhead is not None:
        told.append(f"▸ frame {where.playhead}")
    return " ".join(part for part in told if part)


# Edits and chat.


def _edits(feed: Feed, width: int, room: int) -> list[Text]:
    if room < 2:
        return []
    lines = list(feed.lines)[-(room - 1) :]
    title = _title("Edits", width)
    if not lines:
        return [title, Text("  nothing has happened yet", style=QUIET)]
    return [title, *(_line(feed, line, width) for line in lines)]


def _line(feed: Feed, line: Line, width: int) -> Text:
    mark, style = MARKS[line.mark]
    text = Text().append(f" {line.time} ", style=QUIET).append(f"{mark} ", style=style)
    if line.user:
        text.append(_padded(feed.name(line.user), 10), style=feed.colour(line.user)).append(" ")
    quiet = line.mark == "told" or feed.now() - line.at > 60
    aside = (f" ×{line.count}" if line.count > 1 else "") + (f" ⚡ {line.conflict}" if line.conflict else "")
    room = max(8, width - cell_len(text.plain) - cell_len(aside) - 1)
    text.append(_fitting(line.words, room), style=QUIET if quiet else "")
    return text.append(aside, style=UNSAVED)


def _fitting(words: str, room: int) -> str:
    """Cut what was changed rather than what it was changed to."""
    head, arrow, value = words.rpartition(" → ")
    if not arrow or len(words) <= room or len(value) > room - 16:
        return one_line(words, room)
    return f"{one_line(head, room - len(arrow) - len(value))}{arrow}{value}"


def _chat(feed: Feed, width: int, room: int) -> list[Text]:
    messages = feed.project.messages[-room:]
    if not messages:
        return []
    lines = [_title("Chat", width)]
    for message in messages:
        line = Text(" ")
        if message.at:
            line.append(f"{datetime.fromtimestamp(message.at / 1000).astimezone():%H:%M:%S} ", style=QUIET)
        line.append(f"{_padded(feed.name(message.user), 12)} ", style=feed.colour(message.user))
        line.append(one_line(message.text, max(8, width - cell_len(line.plain) - 1)))
        lines.append(line)
    return lines


# Small things.


def _apart(left: Text, right: Text, width: int) -> Text:
    """One at each end of the line."""
    right_width = cell_len(right.plain)
    line = left.copy()
    line.truncate(max(0, width - right_width - 1), overflow="ellipsis", pad=True)
    return line.append(" ").append_text(right)


def _padded(text: str, width: int) -> str:
    """Exactly `width` columns, whatever the letters' width."""
    flat = Text(one_line(text, width))
    flat.truncate(width, overflow="ellipsis", pad=True)
    return flat.plain


def seconds_of(frames: int, fps: int) -> str:
    """`12.4` seconds, `1:02.4` from a minute on."""
    minutes, seconds = divmod(frames / fps, 60)
    return f"{int(minutes)}:{seconds:04.1f}" if minutes else f"{seconds:.1f}"


def clock_of(frames: int, fps: int) -> str:
    """A length for people: `30 s`, `1:02 min`."""
    seconds = frames / fps
    return f"{round(seconds, 1):g} s" if seconds < 60 else f"{int(seconds // 60)}:{seconds % 60:02.0f} min"
