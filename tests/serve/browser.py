"""Headless Chromium with the page, as its tests use it."""

import shutil

import pytest

pytest.importorskip("selenium", reason="left out: selenium is not installed")
from selenium import webdriver  # noqa: E402
from selenium.webdriver.common.by import By  # noqa: E402
from selenium.webdriver.support.ui import WebDriverWait  # noqa: E402

CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
DRIVER = shutil.which("chromedriver")
MISSING = pytest.mark.skipif(
    not (CHROMIUM and DRIVER), reason="left out: chromium or chromedriver is missing"
)
SECONDS = 60  # a machine can be busy
SWITCHES = (
    *("--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu"),
    "--window-size=1280,1400",
)


def start(downloads):
    """A browser that saves into a folder."""
    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM
    for switch in SWITCHES:
        options.add_argument(switch)
    preferences = {"download.default_directory": str(downloads)}
    options.add_experimental_option("prefs", preferences)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = webdriver.Chrome(options=options, service=webdriver.ChromeService(DRIVER))
    driver.set_script_timeout(SECONDS)
    return driver


class Page:
    """What a user sees and does."""

    def __init__(self, driver):
        self.driver = driver

    def __getitem__(self, id):
        return self.driver.find_element(By.ID, id)

    def wait(self, condition):
        return WebDriverWait(self.driver, SECONDS, 0.05).until(lambda _: condition())

    def forget(self, address):
        """Leaves the page, and removes what it keeps in the browser."""
        self.driver.get("about:blank")
        its = {"origin": address.rstrip("/"), "storageTypes": "local_storage"}
        self.driver.execute_cdp_cmd("Storage.clearDataForOrigin", its)

    def open(self, address):
        self.driver.get("about:blank")
        self.driver.get(address)
        self.wait(lambda: self["new"].is_enabled())
        self.wait(lambda: "Loading" not in self["status"].text)
        return self

    def click(self, id):
        self.driver.execute_script("arguments[0].scrollIntoView()", self[id])
        self[id].click()

    def press(self, *keys, id=None):
        (self[id] if id else self.driver.find_element(By.TAG_NAME, "body")).send_keys(
            *keys
        )

    def new_loop(self):
        before = self["facts"].text
        self.click("new")
        self.wait(lambda: self["facts"].text != before)
        return self["facts"].text

    def script(self, text, *arguments):
        return self.driver.execute_script(text, *arguments)

    def later(self, text, *arguments):
        return self.driver.execute_async_script(text, *arguments)

    def address(self, other_than=None):
        """The page's address, once it names a loop."""

        def found():
            address = self.driver.current_url
            return address if "&z=" in address and address != other_than else None

        return self.wait(found)

    def errors(self):
        """What the console says, policy violations included."""
        entries = self.driver.get_log("browser")
        severe = [entry["message"] for entry in entries if entry["level"] == "SEVERE"]
        # Chromium may ask for the icon of a page that it has left for about:blank.
        return [message for message in severe if not message.startswith("about:blank")]
