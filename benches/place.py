"""Where everything happens: a registry behind the proxy with images, and another one that is empty before each run."""

import shutil
import subprocess
import ssl
import tempfile
from pathlib import Path

from images import ARCHITECTURES, SYSTEMS, Image, Layer, Registry, write_archives
from token_gate import token_gate
from wire import Wire

REPOSITORY = "acme/app"
SMALL_LAYER = 16 << 10
PLATFORMS = tuple(f"linux/{architecture}" for architecture in ARCHITECTURES)
SETS = 200
PLATFORMS_OF_A_SET = PLATFORMS[:4]
MOST_SOURCES = 128


class Place:
    """Registries, ports and images; `close` ends all processes and removes all files."""

    def __init__(self, round_trip):
        self.scratch = Path(tempfile.mkdtemp(prefix="benches-"))
        self.registries = []
        try:
            self.registry = self._registry()
        except BaseException:
            self.close()
            raise
        self.wire = Wire(round_trip)
        self.host = self._host(self.wire.front(self.registry.port))
        self.other_registry = self.other_host = None
        self.images = {}

    def _registry(self):
        registry = Registry(Path(tempfile.mkdtemp(prefix="registry-", dir=self.scratch)))
        self.registries.append(registry)
        return registry

    def renew_other(self):
        """An empty registry at an address of its own: tools remember, for all users, which registry has which layer."""
        if self.other_registry:
            self.registries.remove(self.other_registry)
            self.other_registry.stop()
            shutil.rmtree(self.other_registry.folder)
        self.other_registry = self._registry()
        self.other_host = self._host(self.wire.front(self.other_registry.port))

    @staticmethod
    def _host(port):
        return f"127.0.0.1:{port}"

    def close(self):
        for registry in self.registries:
            registry.stop()
        shutil.rmtree(self.scratch, ignore_errors=True)

    def put(self, name, images):
        """Images under NAME-ARCHITECTURE, and an index of them under NAME."""
        for image in images:
            self.registry.put_image(REPOSITORY, f"{name}-{image.platform.split('/')[1]}", image)
        self.registry.put_index(REPOSITORY, name, images)
        self.images[name] = images

    def put_small(self):
        layers = [Layer(f"small {at}", SMALL_LAYER) for at in range(2)]
        self.put("small", [Image(platform, "small", layers) for platform in PLATFORMS])

    def put_large(self, layer_size):
        """Layers of their own for each image, as real images have them; archives of the same images."""
        images = [Image(platform, "large", [Layer(f"{platform} {at}", layer_size) for at in range(2)])
                  for platform in PLATFORMS]
        self.put("large", images)
        self.archives = write_archives(self.scratch / "archives", images)

    def put_sets(self):
        """Images for many lists, four for each."""
        layer = Layer("sets", SMALL_LAYER)
        sets = {f"s{at}": [Image(platform, f"set {at}", [layer]) for platform in PLATFORMS_OF_A_SET] for at in range(SETS)}
        self.registry.put_images(REPOSITORY, [(f"{name}-{image.platform.split('/')[1]}", image)
                                              for name, images in sets.items() for image in images])
        self.images |= sets

    def put_many(self):
        """One list of many images: as many platforms as there are systems and architectures."""
        layer = Layer("many", SMALL_LAYER)
        platforms = [f"{system}/{architecture}" for system in SYSTEMS for architecture in ARCHITECTURES][:MOST_SOURCES]
        images = [Image(platform, "many", [layer]) for platform in platforms]
        self.registry.put_images(REPOSITORY, [("many-" + image.platform.replace("/", "-"), image) for image in images])
        self.images["many"] = images

    def open_token_front(self):
        self.token_host = self._host(self.wire.front(token_gate(self.registry.port)))

    def open_secure_front(self):
        """HTTPS with HTTP/1.1, by a certificate of an authority of this place."""
        key, self.authority = self.scratch / "key.pem", self.scratch / "authority.pem"
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days",
                        "2", "-subj", "/CN=benchmark", "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", key, "-out",
                        self.authority], check=True, capture_output=True)
        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        tls.load_cert_chain(self.authority, key)
        tls.set_alpn_protocols(["http/1.1"])
        self.secure_host = self._host(self.wire.secure_front(self.registry.port, tls))
