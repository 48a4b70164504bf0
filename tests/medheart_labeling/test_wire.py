"""A stock MONAI Label client, its own code, against the real server; and the bytes of its replies."""

from __future__ import annotations

import email
import hashlib
import http.client
import json
import shutil
import warnings
from pathlib import Path
from urllib.parse import urlsplit

import numpy as np
import pydicom
import pytest

from medheart.geometry import Geometry
from medheart.schema import load_schema
from medheart.volume import Volume
from medheart_io import read_image, read_labels, write_volume

INFO_KEYS = {
    "name", "description", "version", "labels", "models", "trainers", "strategies", "scoring", "train_stats",
    "datastore",
}  # fmt: skip


@pytest.fixture
def stock_client(server, tmp_path):
    """Return MONAI Label's own client."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from monailabel.client import MONAILabelClient

    return MONAILabelClient(server.url, tmpdir=str(tmp_path), client_id="user-xyz")


@pytest.fixture
def image_file(bright_cube, tmp_path):
    """Return the path of an image file and its volume."""
    volume = bright_cube()
    return write_volume(tmp_path / "scan.nii.gz", volume), volume


def test_info_has_the_keys_of_a_stock_server(stock_client):
    info = stock_client.info()
    assert set(info) >= INFO_KEYS
    model = info["models"]["hippocampus"]
    assert (model["schema"], model["status"]) == ("hippocampus", "candidate")
    for facts in info["models"].values():
        assert facts["labels"] == {label.name: label.value for label in load_schema(facts["schema"]).labels}
        assert facts["status"] in {"research", "candidate", "released"}
    assert model["type"] == "segmentation"
    assert model["dimension"] == 3
    assert model["labels"] == {"hippocampus_anterior": 1, "hippocampus_posterior": 2}
    assert {"first", "last", "random"} <= set(info["strategies"])
    assert set(info["datastore"]) == {"total", "completed", "label_tags"}


def test_no_login_is_asked_for_while_there_is_no_key(stock_client):
    assert stock_client.auth_enabled() is False


def test_the_work_of_a_stock_client(stock_client, image_file):
    path, volume = image_file
    assert stock_client.upload_image(str(path), "stock-work", {"modality": "MR"}) == {"image": "stock-work"}
    label, params = stock_client.infer(
        "hippocampus", "stock-work", {"result_extension": ".nrrd", "result_dtype": "uint8"}
    )
    assert label.endswith(".nrrd")
    assert params["label_names"] == {"hippocampus_anterior": 1, "hippocampus_posterior": 2}
    info = [{"name": "hippocampus_anterior", "idx": 1}, {"name": "hippocampus_posterior", "idx": 2}]
    answer = stock_client.save_label("stock-work", label, "final", {"label_info": info})
    assert (answer["image"], answer["label"]) == ("stock-work", "stock-work")
    kept = read_image(stock_client.download_label("stock-work", "final"))
    found = read_image(label)
    assert np.array_equal(kept.array, found.array)
    assert kept.geometry.matches(volume.geometry)


def test_a_session_of_a_stock_client(stock_client, image_file):
    path, volume = image_file
    session = stock_client.create_session(str(path))
    assert set(session["session_info"]) == {
        "name", "path", "image", "meta", "create_ts", "last_access_ts", "expiry"
    }  # fmt: skip
    assert stock_client.get_session(session["session_id"])["name"] == session["session_id"]
    label, _ = stock_client.infer("hippocampus", "", {}, session_id=session["session_id"])
    assert read_image(label).geometry.matches(volume.geometry)
    stock_client.remove_session(session["session_id"])
    with pytest.raises(Exception, match="404"):
        stock_client.get_session(session["session_id"])


@pytest.mark.parametrize("name", ["5: CT chest", "case.01", "胸部CT", "../../etc/passwd"])
def test_the_name_of_a_volume_is_no_id_where_a_session_or_file_is_meant(stock_client, image_file, name):
    path, volume = image_file
    session = stock_client.create_session(str(path))["session_id"]
    for options in ({"session_id": session}, {"file": str(path)}):
        label, _ = stock_client.infer("hippocampus", name, {}, **options)
        assert read_image(label).geometry.matches(volume.geometry)
    with pytest.raises(Exception, match="400"):
        stock_client.infer("hippocampus", name, {})
    stock_client.remove_session(session)


def test_the_next_sample_of_a_stock_client(server, stock_client, image):
    info = server.call("GET", "/info/").json()
    assert "first" in info["strategies"]
    sample = stock_client.next_sample("first", {})
    assert {"id", "path", "ts", "name", "reason", "lease_s"} <= set(sample)
    assert stock_client.next_sample("last", {})["id"] == sample["id"], "who holds a case is given it again"
    assert server.call("GET", "/datastore/image", params={"image": sample["id"]}).status_code == 200
    server.call("DELETE", f"/medheart/leases/{sample['id']}", params={"client_id": "user-xyz"})


def test_a_file_sent_along_is_segmented_and_not_kept(server, stock_client, image_file):
    path, volume = image_file
    before = stock_client.info()["datastore"]["total"]
    label, _ = stock_client.infer("hippocampus", "", {"result_extension": ".nii.gz"}, file=str(path))
    assert read_image(label).geometry.matches(volume.geometry)
    assert stock_client.info()["datastore"]["total"] == before


def test_the_reply_of_an_inference_is_a_form_of_two_parts(server, image):
    """As the Slicer plug-in of MONAI Label reads it: http.client, then the parts of a multipart form."""
    host = urlsplit(server.url)
    connection = http.client.HTTPConnection(host.hostname, host.port, timeout=60)
    body = f"params={json.dumps({'result_extension': '.nrrd', 'client_id': 'user-xyz'})}"
    headers = {"content-type": "application/x-www-form-urlencoded"}
    connection.request("POST", f"/infer/hippocampus?image={image}", body=body, headers=headers)
    reply = connection.getresponse()
    kind = reply.getheader("content-type")
    assert reply.status == 200
    assert kind.startswith("multipart/form-data; boundary=")
    message = email.message_from_bytes(b"Content-Type: " + kind.encode() + b"\r\n\r\n" + reply.read())
    params, file = message.get_payload()
    assert params.get_content_type() == "application/json"
    assert params.get_param("name", header="content-disposition") == "params"
    assert params.get_filename() is None
    assert file.get_content_type() == "application/octet-stream"
    assert file.get_filename().endswith(".nrrd")
    told = json.loads(params.get_payload(decode=True))
    assert set(told["latencies"]) == {"pre", "infer", "invert", "post", "write", "total", "transform"}
    assert all(isinstance(x, str) for point in told["centroids"].values() for x in point)


@pytest.mark.parametrize(("output", "kind"), [("json", "application/json"), ("image", "application/octet-stream")])
def test_other_outputs(server, image, output, kind):
    reply = server.infer("hippocampus", image, output=output)
    assert reply.headers["content-type"] == kind
    if output == "json":
        assert "label_names" in reply.json()
    else:
        assert "filename=" in reply.headers["content-disposition"]


@pytest.mark.parametrize("ending", [".nii.gz", ".nii", ".nrrd", ".seg.nrrd", ".mha"])
def test_geometry_survives_every_format(server, bright_cube, tmp_path, ending):
    volume = bright_cube()
    assert volume.geometry.is_left_handed
    reply = server.infer("hippocampus", server.put_image(volume), output="image", result_extension=ending)
    assert reply.status_code == 200, reply.text
    path = tmp_path / f"label{ending}"
    path.write_bytes(reply.content)
    labels = read_labels(path, load_schema("hippocampus"))
    assert labels.geometry.matches(volume.geometry)
    # The tiny network marks what is bright: the cube, and nothing else.
    assert np.array_equal(np.argwhere(labels.array > 0).min(axis=0), [3, 4, 2])
    assert np.array_equal(np.argwhere(labels.array > 0).max(axis=0), [6, 8, 7])


def test_an_image_comes_back_as_it_went_in(server, bright_cube, tmp_path):
    volume = bright_cube()
    image = server.put_image(volume)
    reply = server.call("GET", "/datastore/image", params={"image": image})
    path = tmp_path / "back.nii.gz"
    path.write_bytes(reply.content)
    back = read_image(path)
    assert np.array_equal(back.array, volume.array)
    assert back.geometry.matches(volume.geometry)
    digest = hashlib.sha256(reply.content).hexdigest()
    for check, status in ((f"SHA256:{digest}", 200), ("SHA256:" + "0" * 64, 404)):
        query = {"image": image, "check_sum": check}
        assert server.call("HEAD", "/datastore/image", params=query).status_code == status


def test_a_real_image_of_a_hippocampus(server, test_data, tmp_path):
    path = test_data("mr/hippocampus/images/hippocampus_001.nii.gz")
    files = {"file": (path.name, path.read_bytes())}
    reply = server.call("PUT", "/datastore/image", files=files, data={"params": json.dumps({"modality": "MR"})})
    assert reply.json() == {"image": "hippocampus_001"}
    result = server.infer("hippocampus", "hippocampus_001", output="image")
    (tmp_path / "label.nii.gz").write_bytes(result.content)
    assert read_image(tmp_path / "label.nii.gz").geometry.matches(read_image(path).geometry)


def test_the_same_file_name_twice_makes_two_images(server, bright_cube, tmp_path):
    ids = []
    for _ in range(2):
        path = write_volume(tmp_path / "same-name.nii.gz", bright_cube())
        ids.append(server.call("PUT", "/datastore/image", files={"file": (path.name, path.read_bytes())}).json())
    assert ids[0] == {"image": "same-name"}
    assert ids[1] != ids[0]


def test_a_dicom_series_in_a_zip_becomes_an_image(server, test_data, tmp_path):
    folder = test_data("dicom/hippocrop_study1")
    archive = shutil.make_archive(str(tmp_path / "series"), "zip", folder)
    reply = server.call("PUT", "/datastore/image", files={"file": ("dicom-zip.zip", Path(archive).read_bytes())})
    assert reply.json() == {"image": "dicom-zip"}
    back = server.call("GET", "/datastore/image", params={"image": "dicom-zip"})
    (tmp_path / "back.nii.gz").write_bytes(back.content)
    assert read_image(tmp_path / "back.nii.gz").geometry.matches(read_image(folder).geometry)


def random_grid(seed):
    """Return an oblique, anisotropic grid; every other one is left-handed."""
    rng = np.random.default_rng(seed)
    axes, _ = np.linalg.qr(rng.normal(size=(3, 3)))
    axes[:, 0] *= np.sign(np.linalg.det(axes)) * (-1) ** seed
    shape = tuple(int(n) for n in rng.integers(8, 14, 3))
    return Geometry.from_parts(
        shape=shape, spacing=rng.uniform(0.4, 2.5, 3), origin=rng.uniform(-200, 200, 3), direction=axes
    )


@pytest.mark.parametrize("seed", range(4))
def test_every_voxel_comes_back_at_its_place(server, tmp_path, seed):
    """Import, inference, version, export in every format: within 1e-3 mm."""
    grid, schema = random_grid(seed), load_schema("hippocampus")
    assert grid.is_left_handed == bool(seed % 2)
    rng = np.random.default_rng(seed)
    image = server.put_image(Volume(rng.normal(100, 20, grid.shape).astype(np.float32), grid, "MR"))
    found = server.infer("hippocampus", image, output="image", save_label=True, client_id="geometry")
    (tmp_path / "found.nii.gz").write_bytes(found.content)
    labels = read_labels(tmp_path / "found.nii.gz", schema)
    assert labels.geometry.max_corner_distance(grid) < 1e-3
    edited = labels.with_array(np.roll(labels.array, 1, axis=0))
    assert server.put_label(edited, image, client_id="geometry").status_code == 200
    for tag, expected in (("original", labels), ("final", edited)):
        for ending in (".nii.gz", ".nii", ".nrrd", ".seg.nrrd", ".mha", ".dcm"):
            query = {"label": image, "tag": tag, "format": ending}
            reply = server.call("GET", "/datastore/label", params=query)
            assert reply.status_code == 200, reply.text
            path = tmp_path / f"{tag}{ending}"
            path.write_bytes(reply.content)
            back = read_labels(path, schema, like=grid if ending == ".dcm" else None)
            assert back.geometry.max_corner_distance(grid) < 1e-3, ending
            assert np.array_equal(back.array, expected.array), ending


def test_names_of_patients_are_nowhere_to_be_read(server, test_data, tmp_path):
    folder, name = tmp_path / "planted", "Zzyzx"
    folder.mkdir()
    for path in sorted(test_data("dicom/hippocrop_study1").glob("*.dcm")):
        dataset = pydicom.dcmread(path)
        dataset.PatientName, dataset.PatientID = f"{name}^Planted", f"{name}-4711"
        dataset.save_as(folder / f"{name}-{path.name}")
    archive = shutil.make_archive(str(tmp_path / "upload"), "zip", folder)
    files = {"file": (f"{name} scan.zip", Path(archive).read_bytes())}
    reply = server.call("PUT", "/datastore/image", params={"image": "planted"}, files=files)
    assert reply.status_code == 200, reply.text
    server.infer("hippocampus", "planted", save_label=True)
    server.call("PUT", "/datastore/image", files={"file": (f"{name}.nii.gz", b"damaged")})
    told = [
        server.call("GET", path).text
        for path in ("/info/", "/logs/?lines=5000", "/datastore/label?label=planted&tag=x")
    ]
    files = [server.log, server.home / "logs" / "label-server.log", server.home / "labeling" / "notes.sqlite"]
    assert not [text for text in told if name in text]
    assert not [path for path in files if name.encode() in path.read_bytes()]
