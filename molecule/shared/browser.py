"""Debian's Chromium, driven as a person would: by what is written on buttons and labels."""

from __future__ import annotations

import base64
import os
from importlib.resources import files
from pathlib import Path
from tempfile import TemporaryDirectory
from types import TracebackType
from typing import Any, Self

from lab_hosts import ROOT, eventually
from selenium.common import StaleElementReferenceException, WebDriverException
from selenium.webdriver import Chrome, ChromeOptions, ChromeService
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webelement import WebElement

PASSWORDS = {"alice": "right horse", "victor": "only looks"}
FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--hide-scrollbars",
    "--window-size=1280,900",
)
PICTURES = Path(os.environ.get("SENDER_FILTER_SCREENSHOTS") or ROOT / "build" / "screenshots")
PHONE = {"width": 360, "height": 740, "deviceScaleFactor": 1, "mobile": True}
WCAG = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "best-practice"]
AXE = (files("axe_core_python") / "axe.min.js").read_text("utf-8")
ASK_AXE = """
const done = arguments[arguments.length - 1];
axe.run(document, {runOnly: arguments[0]}).then((found) => done(
  found.violations.map((each) => each.id + ": " + each.nodes.map((node) => node.html).join(" "))));
"""
BETWEEN_PAGES = WebDriverException


class Browser:
    """One browser with a profile of its own."""

    def __init__(self, address: str, key: str = "") -> None:
        """Open it.

        Args:
            address: Where the console is.
            key: Of TLS, the digest of the one key that is believed (SHA-256 of its SPKI, Base64).
        """
        self.address = address
        self._profile = TemporaryDirectory()
        options = ChromeOptions()
        options.binary_location = "/usr/bin/chromium"
        options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
        trust = [f"--ignore-certificate-errors-spki-list={key}"] if key else []
        for flag in (*FLAGS, *trust, f"--user-data-dir={self._profile.name}"):
            options.add_argument(flag)
        self.driver = Chrome(options, ChromeService("/usr/bin/chromedriver"))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.driver.quit()
        self._profile.cleanup()

    # What a person does

    def go(self, path: str) -> None:
        """Open a page of the console."""
        self.driver.get(self.address + path)

    def log_in(self, name: str, password: str | None = None) -> None:
        """Fill the login page in."""
        if not self.path.startswith("/login"):
            self.go("/login")
        self.fill("Name", name)
        self.fill("Password", PASSWORDS[name] if password is None else password)
        self.press("Log in")
        if password is None:
            eventually(lambda: not self.path.startswith("/login"), f"{name} is logged in")

    def fill(self, label: str, text: str, within: str = "main") -> None:
        """Write into the field with this label, in the place of what stands there."""
        field = self._find(f"//{within}//input[@id=//label[normalize-space()='{label}']/@for]")
        field.clear()
        field.send_keys(text)

    def press(self, name: str, within: str = "*") -> None:
        """Press the button, or follow the link, of this name."""
        named = f"normalize-space()='{name}' or @aria-label='{name}'"
        path = f"//{within}//*[self::a or self::button][{named}]"
        eventually(lambda: self._pressed(path), f"{name!r} can be pressed")

    def keys(self, *keys: str) -> None:
        """Type, wherever the focus is."""
        for key in keys:
            self.driver.switch_to.active_element.send_keys(key)

    # What a person sees

    @property
    def path(self) -> str:
        """The path of the page that is shown."""
        return str(self.driver.current_url).removeprefix(self.address)

    @property
    def text(self) -> str:
        """All that can be read on the page; nothing while another one comes in its place."""
        try:
            return self.driver.find_element(By.TAG_NAME, "body").text
        except BETWEEN_PAGES:
            return ""

    def sees(self, text: str) -> None:
        """Wait until this can be read."""
        eventually(lambda: text in self.text, f"{self.path} shows {text!r}:\n{self.text}")

    def row(self, text: str) -> str:
        """The text of the first row with this in it, once there is one."""
        return eventually(
            lambda: self._row(text), f"{self.path} has a row with {text!r}:\n{self.text}"
        )

    def elements(self, selector: str) -> list[WebElement]:
        """What there is of these elements."""
        return self.driver.find_elements(By.CSS_SELECTOR, selector)

    def complaints(self) -> list[str]:
        """What the browser has said since it was asked last, of blocked scripts for example."""
        return [each["message"] for each in self.driver.get_log("browser")]

    # What a tester looks at

    def script(self, text: str) -> Any:
        """What a script gives; it is run from outside, so that the page's policy does not hold."""
        return self.driver.execute_script(text)

    def barriers(self) -> list[str]:
        """What axe finds in the way of people with disabilities."""
        self.driver.execute_script(AXE)
        found: list[str] = self.driver.execute_async_script(ASK_AXE, WCAG)
        return found

    def colours(self, scheme: str) -> None:
        """Say what the system prefers: light or dark."""
        features = [{"name": "prefers-color-scheme", "value": scheme}]
        self._tell("Emulation.setEmulatedMedia", features=features)

    def phone(self) -> None:
        """Be as small as a phone."""
        self._tell("Emulation.setDeviceMetricsOverride", **PHONE)

    def picture(self, name: str) -> None:
        """Keep a picture of the whole page."""
        PICTURES.mkdir(parents=True, exist_ok=True)
        size = self._tell("Page.getLayoutMetrics")["cssContentSize"]
        clip = {"x": 0, "y": 0, "width": size["width"], "height": size["height"], "scale": 1}
        taken = self._tell("Page.captureScreenshot", captureBeyondViewport=True, clip=clip)
        (PICTURES / f"{name}.png").write_bytes(base64.b64decode(taken["data"]))

    def _tell(self, command: str, **parameters: Any) -> dict[str, Any]:
        answer: dict[str, Any] = self.driver.execute_cdp_cmd(command, parameters)
        return answer

    def _pressed(self, path: str) -> bool:
        """Press it, unless another page has just come in the place of its own."""
        try:
            self._find(path).click()
        except StaleElementReferenceException:
            return False
        return True

    def _find(self, path: str) -> WebElement:
        found = self.driver.find_elements(By.XPATH, path)
        assert found, f"{self.path} has no {path}:\n{self.text}"
        return found[0]

    def _row(self, text: str) -> str | None:
        try:
            rows = [each.text for each in self.elements("tbody tr")]
        except BETWEEN_PAGES:
            return None
        return next((row for row in rows if text in row), None)
