"""What the service takes and answers, as models: the description in ``/api/openapi.json`` is made from them."""

from __future__ import annotations

from typing import Any, Self

from pydantic import AliasPath, BaseModel, ConfigDict, Field, JsonValue

from reverie.queue.states import State

Id = str


class Model(BaseModel):
    """Base class: unknown fields are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class JobRequest(Model):
    """What to make."""

    craft: str = Field(description="its name, e.g. 'style'", max_length=100)
    inputs: dict[str, str | list[str]] = Field(
        default={}, description="ids of pictures or results, or names of sample styles, by the craft's inputs"
    )
    settings: dict[str, JsonValue] = Field(
        default={}, description="by the names users know; others take their defaults"
    )
    preset: str | None = Field(default=None, description="whose settings and samples it begins with", max_length=100)
    priority: int = Field(default=0, ge=-1000, le=1000, description="higher ones come first")
    batch: str | None = Field(
        default=None, pattern=r"^[0-9a-f]{1,40}$", description="drawn by the client: of jobs that belong together"
    )
    again: bool = Field(default=False, description="make it though the very same is there already")


class BatchRequest(JobRequest):
    """Jobs that differ in some settings."""

    grid: dict[str, list[JsonValue]] = Field(
        default={}, max_length=4, description="values by setting; all combinations"
    )
    variations: int = Field(default=1, ge=1, le=100, description="seeds of each: its own, and those after it")


class Answer(Model):
    """Base class of what is answered from an entry of the journal, by its attributes of the same names."""

    model_config = ConfigDict(from_attributes=True, populate_by_name=True)

    @classmethod
    def of(cls, found: object) -> Self:
        """Answer an entry."""
        return cls.model_validate(found)


class Refusal(Model):
    """What is wrong, in one sentence."""

    error: str


class JobAnswer(Answer):
    """A job."""

    id: Id
    craft: str = Field(validation_alias=AliasPath("order", "craft"))
    title: str
    state: State
    progress: float = Field(ge=0, le=1)
    place: str = Field(description="where the run is, in a few words")
    results: list[Id]
    error: str | None
    reason: str | None = Field(description="why it is paused: 'disk' where that is full; it goes on by itself")
    inputs: dict[str, list[str]] = Field(validation_alias=AliasPath("order", "inputs"))
    settings: dict[str, JsonValue] = Field(validation_alias=AliasPath("order", "settings"))
    preset: str | None = Field(validation_alias=AliasPath("order", "preset"))
    priority: int
    position: float
    starred: bool
    batch: Id | None
    preview: int = Field(description="number of the picture on the way; 0 where there is none")
    created: float = Field(description="seconds since 1970")
    began: float | None
    ended: float | None


class JobList(Model):
    """Jobs: those that are not over in their order, then the others, the last one first."""

    jobs: list[JobAnswer]


class PictureAnswer(Answer):
    """A picture or a clip that was brought."""

    id: Id
    name: str
    width: int | None
    height: int | None
    seconds: float | None = Field(description="how long a clip is, 0 where it does not say; null of a still picture")
    bytes: int
    sha256: str


class ResultFacts(Answer):
    """What is known of a result."""

    id: Id
    job: Id
    name: str
    bytes: int
    width: int | None
    height: int | None
    sha256: str


class BatchAnswer(Model):
    """A batch and its jobs, the last setting of the grid and then the variations fastest; deleted ones are missing."""

    id: Id
    grid: dict[str, list[JsonValue]]
    variations: int
    jobs: list[JobAnswer]


class CommandAnswer(Model):
    """A command line."""

    command: str


class QueueAnswer(Model):
    """The queue itself."""

    paused: bool
    counts: dict[State, int]
    last_event: int
    used: int = Field(description="bytes that it takes of the disk")
    quota: int = Field(description="bytes that it may take")
    full: bool = Field(description="whether the disk has too little room to begin a job")


class Change(Model):
    """What may be changed of a job; what is left out stays."""

    title: str | None = Field(default=None, min_length=1, max_length=200)
    starred: bool | None = None
    priority: int | None = Field(default=None, ge=-1000, le=1000)


class Place(Model):
    """A place in the queue."""

    before: Id | None = Field(default=None, description="the job it comes before; null: the last place")


class Ending(Model):
    """How a job is cancelled."""

    keep: bool = Field(default=False, description="whether the picture so far is kept as its result")


Card = dict[str, Any]
