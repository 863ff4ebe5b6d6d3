"""The asynchronous client on a real socket: edits and their outcomes, what others see, presence, status, leaving."""

from __future__ import annotations

import asyncio

import pytest

from scenehub.client import ClientError, Left, NotReached, Refused, Rejected, Timing, Unsaved, connect, happenings, ops
from scenehub.protocol.closing import Close
from scenehub.protocol.messages import SendPresence
from tests.client.hub import Cluster, running

SOON = 5.0
CODE = "const a = 1\nconst b = 2\nconst c = 3\n"


@pytest.mark.parametrize("flavour", ["msgpack", "json"])
async def test_an_edit_shows_at_once_reaches_the_others_and_is_saved(hub: Cluster, flavour: str) -> None:
    """S1, S2."""
    url = hub.nodes[0].url
    async with connect(url, "ada", flavour=flavour) as ada, connect(url, "lin") as lin:
        hub.saving = False
        added = ada.add_scene("Intro", CODE, 60, props={"size": 1.5})
        assert added.state == "waiting"
        assert ada.status.state == "saving"
        assert ada.scene("Intro").duration == 60
        await lin.until(lambda project: bool(project.scenes), SOON)
        assert lin.view.unsaved_fields("scene", added.entity)
        hub.saving = True
        assert await added.saved(SOON) == 1
        assert added.state == "saved"
        await lin.until(lambda project: not project.view.unsaved_fields("scene", added.entity), SOON)
        assert lin.scene(added.entity) == ada.scene("Intro")
        await ada.until(lambda project: project.status.state == "live", SOON)


async def test_every_kind_of_edit_has_a_method(hub: Cluster) -> None:
    async with connect(hub.nodes[0].url, "ada") as project:
        one = project.add_scene("One", CODE, 30)
        project.add_scene("Two", duration=40)
        project.add_scene("Zero", index=0)
        assert [scene.name for scene in project.scenes] == ["Zero", "One", "Two"]
        assert project.scene("One").start == 90
        project.move_scene("Zero", -1)
        assert [scene.name for scene in project.scenes] == ["One", "Two", "Zero"]
        project.rename("Two", "Second")
        project.set_scene(project.scene("Second"), props={"a": 1, "b": 2})
        project.set_scene("Second", props={"a": None})
        assert project.scene("Second").props == {"b": 2}
        project.set_code("One", "// new\n")
        project.set_project(name="Film", fps=25, props={"ink": "#000000"})
        project.set_memory("tone", "dry")
        project.delete_scene("One")
        assert [scene.name for scene in project.scenes] == ["Second", "Zero"]
        project.restore_scene(one.entity)
        last = project.say("Good morning", scene="One")
        await last.saved(SOON)
        assert project.fields["name"] == "Film"
        assert project.fields["props"] == {"ink": "#000000"}
        assert project.memory == {"tone": "dry"}
        assert [(message.user, message.text) for message in project.messages] == [("ada", "Good morning")]
        assert project.scene("One").tsx_code == "// new\n"
        assert project.position is not None
        assert project.position.seq == last.seq


async def test_several_ops_are_one_edit(hub: Cluster) -> None:
    async with connect(hub.nodes[0].url, "ada") as project:
        await project.add_scene("One").saved(SOON)
        id = project.scene("One").id
        both = project.edit(ops.SceneSet(id=id, set=ops.SceneFields(duration=5)), ops.MemorySet(key="k", value=[1]))
        assert await both.saved(SOON) == 2
        assert len(hub.committed()) == 2


async def test_what_the_hub_would_refuse_is_refused_at_once_naming_the_culprit(hub: Cluster) -> None:
    """O7."""
    async with connect(hub.nodes[0].url, "ada") as project, connect(hub.nodes[0].url, "vic:viewer") as viewer:
        project.add_scene("One")
        with pytest.raises(Rejected) as refused:
            project.set_scene("One", duration=-1)
        assert (refused.value.code, refused.value.culprit) == ("invalid", "duration")
        with pytest.raises(Rejected, match="unknown key"):
            project.set_scene("One", colour="red")  # type: ignore[call-arg]
        with pytest.raises(Rejected):
            project.edit()
        with pytest.raises(Rejected) as forbidden:
            viewer.set_memory("a", 1)
        assert forbidden.value.code == "forbidden"
        with pytest.raises(LookupError):
            project.scene("nobody")


async def test_a_reject_comes_back_typed_with_what_was_typed(hub: Cluster) -> None:
    """S3, O5."""
    async with connect(hub.nodes[0].url, "ada") as ada, connect(hub.nodes[0].url, "lin") as lin:
        id = ada.add_scene("One").entity
        await lin.until(lambda project: bool(project.scenes), SOON)
        hub.saving = False
        ada.delete_scene(id)
        late = lin.set_scene(id, duration=7)
        hub.saving = True
        with pytest.raises(Rejected) as rejected:
            await late.saved(SOON)
        assert rejected.value.code == "scene_deleted"
        assert late.state == "rejected"
        assert rejected.value.edit == late.edit
        assert lin.scenes == []
        await lin.take_mine(rejected.value).saved(SOON)
        assert lin.scene(id).duration == 7


async def test_code_on_other_lines_is_merged_and_the_handle_follows(hub: Cluster) -> None:
    """O4."""
    async with connect(hub.nodes[0].url, "ada") as ada, connect(hub.nodes[0].url, "lin") as lin:
        id = ada.add_scene("One", CODE).entity
        await lin.until(lambda project: bool(project.scenes) and project.position != None, SOON)  # noqa: E711
        await lin.until(lambda project: not project.view.unsaved_fields("scene", id), SOON)
        theirs = CODE.replace("a = 1", "a = 10")
        mine = CODE.replace("c = 3", "c = 30")
        first, second = ada.set_code(id, theirs), lin.set_code(id, mine)
        made = second.id
        await first.saved(SOON)
        await second.saved(SOON)
        assert second.id != made
        assert lin.scene(id).tsx_code == "const a = 10\nconst b = 2\nconst c = 30\n"


async def test_code_on_the_same_line_is_a_choice_that_can_be_taken(hub: Cluster) -> None:
    """O4."""
    async with connect(hub.nodes[0].url, "ada") as ada, connect(hub.nodes[0].url, "lin") as lin:
        id = ada.add_scene("One", CODE).entity
        await lin.until(lambda project: project.status.state == "live" and bool(project.scenes), SOON)
        await lin.until(lambda project: not project.view.unsaved_fields("scene", id), SOON)
        ada.set_code(id, CODE.replace("1", "10"))
        second = lin.set_code(id, CODE.replace("1", "11"))
        with pytest.raises(Rejected) as stale:
            await second.saved(SOON)
        assert stale.value.code == "stale"
        assert stale.value.current[0][3] == CODE.replace("1", "10")
        [choice] = lin.choices
        assert second.choice is choice
        await lin.take_mine(choice).saved(SOON)
        assert lin.choices == []
        await ada.until(lambda project: "= 11" in project.scene(id).tsx_code, SOON)


async def test_both_sides_hear_of_an_overwrite(hub: Cluster) -> None:
    """O3."""
    async with connect(hub.nodes[0].url, "ada") as ada, connect(hub.nodes[0].url, "lin") as lin:
        id = ada.add_scene("One").entity
        await lin.until(lambda project: bool(project.scenes) and not project.view.unsaved_fields("scene", id), SOON)
        ada.set_scene(id, duration=11)
        await lin.set_scene(id, duration=22).saved(SOON)
        await ada.until(lambda project: bool(project.notices), SOON)
        await lin.until(lambda project: bool(project.notices), SOON)
        assert (ada.notices[0].mine, lin.notices[0].mine) == (True, False)
        assert ada.notices[0].notice.lost_value == 11
        await ada.take_mine(ada.notices[0]).saved(SOON)
        assert ada.scene(id).duration == 11


async def test_events_come_in_order_and_end_with_the_project(hub: Cluster) -> None:
    heard: list[happenings.Happening] = []
    async with connect(hub.nodes[0].url, "ada", on_event=heard.append) as project:
        events = project.events()
        await project.say("hello").saved(SOON)
    came = [event async for event in events]
    assert [type(event).__name__ for event in came if isinstance(event, happenings.Saved)] == ["Saved"]
    assert came == heard[-len(came) :]
    assert any(isinstance(event, happenings.Replaced) for event in heard)
    with pytest.raises(Left):
        project.say("too late")
    with pytest.raises(Left):
        await project.changed()


async def test_a_failing_on_event_harms_nobody(hub: Cluster, caplog: pytest.LogCaptureFixture) -> None:
    def fail(_: object) -> None:
        raise RuntimeError("of the user")

    async with connect(hub.nodes[0].url, "ada", on_event=fail) as project:
        await project.say("hello").saved(SOON)
    assert "of the user" in caplog.text


async def test_changed_waits_for_the_next_difference(hub: Cluster) -> None:
    async with connect(hub.nodes[0].url, "ada") as ada, connect(hub.nodes[0].url, "lin") as lin:
        waiting = asyncio.create_task(lin.changed(SOON))
        ada.add_scene("One")
        await waiting
        await lin.until(lambda project: bool(project.scenes), SOON)
        with pytest.raises(TimeoutError):
            await lin.until(lambda project: len(project.scenes) == 2, 0.05)


async def test_presence_is_seen_and_coalesced_to_the_announced_rate(hub: Cluster) -> None:
    """M1."""
    async with connect(hub.nodes[0].url, "ada") as ada, connect(hub.nodes[0].url, "lin") as lin:
        for frame in range(1000):
            ada.presence(playhead=frame, cursor=(0.5, 0.25))
        ada.presence(activity="looking")

        def seen() -> bool:
            where = next(member.presence for member in lin.members if member.user == "ada")
            return where is not None and where.playhead == 999 and where.activity == "looking"

        await lin.until(lambda _: seen(), SOON)
        said = [frame for frame in hub.nodes[0].frames if isinstance(frame, SendPresence)]
        assert len(said) <= 5
        assert said[-1].presence.cursor == (0.5, 0.25)


async def test_no_hub_is_named_with_its_address_and_a_remedy() -> None:
    async with running() as hub:
        url = hub.nodes[0].url
    with pytest.raises(NotReached, match=r"127\.0\.0\.1.*scenehub dev"):
        async with connect(url, "ada", timeout=0.3):
            pass


async def test_a_hub_that_answers_nothing_is_not_waited_for_for_ever(hub: Cluster) -> None:
    hub.nodes[0].deaf = True
    with pytest.raises(NotReached):
        async with connect(hub.nodes[0].url, "ada", timeout=0.3):
            pass


async def test_a_refusal_is_typed_and_final(hub: Cluster) -> None:
    hub.nodes[0].refuse = (Close.PROJECT_NOT_FOUND, "there is no such project")
    with pytest.raises(Refused, match="no such project") as refused:
        async with connect(hub.nodes[0].url, "ada"):
            pass
    assert refused.value.code == 4002
    assert len(hub.nodes[0].hellos) == 1


async def test_a_refusal_later_reaches_everybody_who_waits(hub: Cluster) -> None:
    """M3: removed, and what was pending is handed back."""
    with pytest.raises(Unsaved, match="an owner removed you"):  # noqa: PT012 - raised by the end of the block
        async with connect(hub.nodes[0].url, "ada") as project:
            await project.say("before").saved(SOON)
            hub.saving = False
            pending = project.say("never saved")
            events = project.events()
            waits = [asyncio.create_task(wait) for wait in (pending.saved(), project.until(lambda _: False))]
            hub.nodes[0].bye(Close.REMOVED, "an owner removed you")
            for wait in waits:
                with pytest.raises(Refused, match="an owner removed you"):
                    await asyncio.wait_for(wait, SOON)
            with pytest.raises(Refused):
                async for _ in events:
                    pass
            with pytest.raises(Refused):
                project.say("again")
            assert pending.state == "unknown"
            assert pending.edit.ops[0].text == "never saved"  # type: ignore[union-attr]
            assert project.status.state == "offline"


async def test_leaving_waits_for_what_is_pending(hub: Cluster) -> None:
    async with connect(hub.nodes[0].url, "ada") as project:
        handles = [project.say(f"message {number}") for number in range(500)]
    assert {handle.state for handle in handles} == {"saved"}
    assert len(hub.committed()) == 500


async def test_leaving_with_unsaved_edits_says_so(hub: Cluster) -> None:
    hub.saving = False
    with pytest.raises(Unsaved, match="2 edits had no outcome") as unsaved:  # noqa: PT012 - by the end of the block
        async with connect(hub.nodes[0].url, "ada", drain=0.1) as project:
            project.say("one")
            handle = project.say("two")
    assert unsaved.value.count == 2
    assert handle.state == "unknown"
    with pytest.raises(Left):
        await handle.saved()


async def test_an_exception_of_the_block_comes_out_as_it_is(hub: Cluster) -> None:
    cause = ValueError("of the block")
    with pytest.raises(ValueError, match="of the block") as raised:
        async with connect(hub.nodes[0].url, "ada"):
            raise cause
    assert raised.value is cause
    assert raised.value.__context__ is None


async def test_a_cancelled_block_leaves_no_task_behind(hub: Cluster) -> None:
    joined = asyncio.Event()

    async def member() -> None:
        async with connect(hub.nodes[0].url, "ada"):
            joined.set()
            await asyncio.Event().wait()

    task = asyncio.create_task(member())
    await joined.wait()
    before = {task.get_name() for task in asyncio.all_tasks()}
    assert "scenehub-launch" in before
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert not [task for task in asyncio.all_tasks() if task.get_name().startswith("scenehub")]


async def test_without_a_store_edits_wait_and_the_status_says_not_saved(hub: Cluster) -> None:
    """N4."""
    async with connect(hub.nodes[0].url, "ada") as project:
        hub.store_away = True
        waiting = project.say("hello")
        await project.until(lambda project: project.status.state == "not saved", SOON)
        hub.store_away = False
        await waiting.saved(SOON)
        await project.until(lambda project: project.status.state == "live", SOON)


def test_timing_and_errors_are_plain_values() -> None:
    assert Timing().last_delay == 5.0
    assert issubclass(Rejected, ClientError)
