"""`recipes.toml`."""

from __future__ import annotations

from pathlib import Path

import pytest

from envmgr.errors import SpecError
from envmgr.spec.recipes import Recipe, in_order, read_recipes, recipes_folder


def test_a_folder_without_recipes_has_none(tmp_path: Path):
    assert read_recipes(tmp_path) == {}


def test_a_recipe_is_read(tmp_path: Path):
    (tmp_path / "recipes.toml").write_text('[a]\nimage = "mine/a:1"\nreplaces = "a:1"\ncontext = "a"\nneeds = ["b"]\n')
    assert read_recipes(tmp_path) == {"a": Recipe(image="mine/a:1", replaces="a:1", context="a", needs=("b",))}


def test_a_recipe_says_what_really_answers(tmp_path: Path):
    (tmp_path / "recipes.toml").write_text('[a]\nimage = "mine/a:1"\nstand_in = "b in a thin coat"\n')
    assert read_recipes(tmp_path)["a"].stand_in == "b in a thin coat"


@pytest.mark.parametrize(
    "text",
    [
        "[a",
        "[a]\n",
        "[a]\nimage = 1\n",
        "a = 1\n",
        '[a]\nimage = "a"\nimags = "b"\n',
        '[a]\nimage = "a"\nstand_in = true\n',
    ],
)
def test_what_is_no_list_of_recipes_is_named(tmp_path: Path, text: str):
    (tmp_path / "recipes.toml").write_text(text)
    with pytest.raises(SpecError, match=r"recipes\.toml is not a list of image recipes"):
        read_recipes(tmp_path)


def test_a_file_in_the_folders_place_is_named(tmp_path: Path):
    (tmp_path / "images").write_text("")
    with pytest.raises(SpecError, match="is not a list of image recipes"):
        read_recipes(tmp_path / "images")


def test_each_recipe_comes_after_what_it_needs():
    recipes = {name: Recipe(image=name, needs=needs) for name, needs in (("a", ("b", "c")), ("b", ("c",)), ("c", ()))}
    assert in_order(recipes, ("a",)) == ("c", "b", "a")
    assert in_order(recipes, ("b",)) == ("c", "b")


@pytest.mark.parametrize("needs", [("a",), ("nobody",)])
def test_a_circle_or_an_unknown_need_is_refused(needs: tuple[str, ...]):
    with pytest.raises(SpecError, match="which is itself or does not exist"):
        in_order({"a": Recipe(image="a", needs=needs)}, ("a",))


def test_the_shipped_recipes_are_found_and_a_folder_is_the_projects_own(tmp_path: Path):
    ours = recipes_folder(tmp_path, "shipped")
    assert "postgres" in read_recipes(ours)
    assert recipes_folder(tmp_path, "./shipped") == tmp_path / "shipped"
