"""Surfaces of labels, and pictures of them."""

from __future__ import annotations

import numpy as np
import pytest

from medheart import Geometry
from medheart_reports.scene import Glass, camera_for, render
from medheart_reports.surfaces import Mesh, body_surfaces, label_surface


def ball(centre, radius, geometry):
    index = np.stack(np.meshgrid(*[np.arange(n) for n in geometry.shape], indexing="ij"), axis=-1)[..., ::-1]
    return np.linalg.norm(geometry.index_to_lps(index) - np.array(centre), axis=-1) <= radius


@pytest.fixture
def geometry():
    direction = np.array([[0.0, 1.0, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, 1.0]])
    return Geometry.from_parts(shape=(30, 50, 60), spacing=(1.0, 1.2, 2.0), origin=(-30, -30, -30), direction=direction)


def test_surface_of_a_ball_lies_on_the_ball_in_the_patient(geometry):
    mesh = label_surface(ball((0, 0, 0), 15, geometry).astype(np.uint8), 1, geometry)
    radii = np.linalg.norm(mesh.vertices, axis=1)
    assert radii.mean() == pytest.approx(15, abs=0.6)
    assert np.abs(radii - 15).max() < 2.0
    outward = np.abs((mesh.normals * mesh.vertices / radii[:, None]).sum(axis=1))
    assert outward.min() > 0.8


def test_a_single_voxel_beside_a_large_part_still_shows(geometry):
    labels = ball((0, 0, 0), 15, geometry).astype(np.uint8)
    labels[28, 45, 55] = 1
    mesh = label_surface(labels, 1, geometry)
    place = geometry.index_to_lps([55, 45, 28])
    assert np.linalg.norm(mesh.vertices - place, axis=1).min() < 1.5


def test_a_label_without_voxels_has_no_surface(geometry):
    assert label_surface(np.zeros(geometry.shape, np.uint8), 1, geometry) is None


def test_body_is_outlined_only_where_a_whole_region_is_seen():
    large = Geometry.from_parts(shape=(50, 50, 50), spacing=(4, 4, 4), origin=(-98, -98, -98))
    image = np.where(ball((0, 0, 0), 80, large), 40, -1000)
    image[ball((0, 0, 0), 45, large)] = -850
    skin, lungs = body_surfaces(image, "CT", large)
    assert np.linalg.norm(skin.vertices, axis=1).mean() == pytest.approx(80, abs=4)
    assert np.linalg.norm(lungs.vertices, axis=1).mean() == pytest.approx(45, abs=5)
    small = Geometry.from_parts(shape=(50, 50, 50), spacing=(1, 1, 1))
    assert list(body_surfaces(image, "CT", small)) == []


def sphere(centre, radius=10.0):
    geometry = Geometry.from_parts(shape=(40, 40, 40), spacing=(1, 1, 1), origin=np.array(centre) - 19.5)
    return label_surface(ball(centre, radius, geometry).astype(np.uint8), 1, geometry)


def coloured(picture, channel):
    others = [c for c in range(3) if c != channel]
    rows, columns = np.nonzero(picture[..., channel].astype(int) - picture[..., others].max(axis=-1) > 40)
    return rows, columns


def test_left_of_the_patient_is_right_and_head_is_up_in_the_picture():
    left, head = sphere((40, 0, 0)), sphere((-40, 0, 60))
    picture = render([(left, (255, 0, 0)), (head, (0, 0, 255))], [], camera_for([left, head]), 200)
    red, blue = coloured(picture, 0), coloured(picture, 2)
    assert red[1].mean() > 120 > 80 > blue[1].mean()
    assert red[0].mean() > 120 > 80 > blue[0].mean()


def test_a_ball_is_seen_as_a_circle_of_its_size():
    mesh = sphere((5, 6, 7), 12)
    camera = camera_for([mesh])
    rows, columns = coloured(render([(mesh, (255, 0, 0))], [], camera, 300), 0)
    assert np.ptp(columns) + 1 == pytest.approx(24 / camera.width_mm * 300, rel=0.08)
    assert np.ptp(rows) == pytest.approx(np.ptp(columns), rel=0.05)


def test_what_is_in_front_hides_what_is_behind_unless_it_is_glass():
    front, back = sphere((0, -40, 0), 14), sphere((18, 0, -14), 8)
    camera = camera_for([front, back])
    toward = -camera.forward * 40
    aligned = Mesh(
        back.vertices + (front.vertices.mean(0) - back.vertices.mean(0) - toward), back.triangles, back.normals
    )
    hidden = render([(front, (0, 0, 255)), (aligned, (255, 0, 0))], [], camera, 200)
    through = render([(aligned, (255, 0, 0))], [Glass(front, (0, 0, 255))], camera, 200)
    assert len(coloured(hidden, 0)[0]) == 0
    assert len(coloured(through, 0)[0]) > 100
