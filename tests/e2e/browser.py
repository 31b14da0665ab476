"""Chromium without a screen, driven: for what only a real browser decides (cookies, SameSite, fetch, tabs). One
process a test run; each test begins without cookies and with one tab. Names below .localhost are this machine."""

import base64
import hashlib
import json

from cryptography.hazmat.primitives import serialization
import pytest
from selenium import webdriver
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By

from gate import PATIENCE, ROOT, wait_until

SCREENSHOTS = ROOT / "build/screenshots"
SWITCHES = ["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--disable-quic",
            "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync",
            "--disable-default-apps", "--window-size=1000,700"]

# Answers what a page's script sees of a call.
FETCH = """
const [url, options, done] = arguments;
fetch(url, options).then(async (answer) => done({ status: answer.status, url: answer.url,
  redirected: answer.redirected, headers: Object.fromEntries(answer.headers), body: await answer.text() }),
  (error) => done({ error: String(error) }));
"""


def pin_of(certificate):
    """What Chromium knows a certificate's key by."""
    key = certificate.x509.public_key().public_bytes(serialization.Encoding.DER,
                                                     serialization.PublicFormat.SubjectPublicKeyInfo)
    return base64.b64encode(hashlib.sha256(key).digest()).decode()


class Browser:
    def __init__(self, profile, certificate):
        options = webdriver.ChromeOptions()
        options.binary_location = "/usr/bin/chromium"
        # This one server's certificate is believed, and no other.
        for switch in [*SWITCHES, f"--user-data-dir={profile}",
                       f"--ignore-certificate-errors-spki-list={pin_of(certificate)}"]:
            options.add_argument(switch)
        self.driver = webdriver.Chrome(service=Service("/usr/bin/chromedriver"), options=options)
        self.driver.set_page_load_timeout(PATIENCE)
        self.driver.set_script_timeout(PATIENCE)

    def quit(self):
        self.driver.quit()

    def forget(self):
        """Cookies and all tabs but one."""
        first, *others = self.driver.window_handles
        for handle in others:
            self.driver.switch_to.window(handle)
            self.driver.close()
        self.driver.switch_to.window(first)
        self.driver.get("about:blank")
        self.driver.execute_cdp_cmd("Network.clearBrowserCookies", {})

    # --- Looking ---

    @property
    def url(self):
        return self.driver.current_url

    @property
    def title(self):
        return self.driver.title

    @property
    def text(self):
        return self.driver.find_element(By.TAG_NAME, "body").text

    def json(self):
        return json.loads(self.text)

    def has(self, selector):
        return bool(self.driver.find_elements(By.CSS_SELECTOR, selector))

    def cookies(self):
        """All that the browser keeps, for scripts or not, by name."""
        kept = self.driver.execute_cdp_cmd("Network.getAllCookies", {})["cookies"]
        return {cookie["name"]: cookie for cookie in kept}

    def screenshot(self, name):
        SCREENSHOTS.mkdir(parents=True, exist_ok=True)
        self.driver.save_screenshot(str(SCREENSHOTS / f"{name}.png"))

    # --- Doing ---

    def open(self, url):
        self.driver.get(url)
        return self

    def new_tab(self):
        self.driver.switch_to.new_window("tab")
        return self.driver.current_window_handle

    def show_tab(self, handle):
        self.driver.switch_to.window(handle)

    def tab(self):
        return self.driver.current_window_handle

    def click(self, selector):
        self.driver.find_element(By.CSS_SELECTOR, selector).click()

    def type(self, selector, text):
        self.driver.find_element(By.CSS_SELECTOR, selector).send_keys(text)

    def sign_in(self, person="alice"):
        """On the provider's page; ends on another."""
        here = self.url
        self.type("[name=login]", person)
        self.click("#go")
        wait_until(lambda: self.url != here, "the page behind the provider's")

    def script(self, text, *arguments):
        return self.driver.execute_script(text, *arguments)

    def fetch(self, url, **options):
        """fetch() by the page that is open: {status, headers, body, ...} or {error}."""
        return self.driver.execute_async_script(FETCH, url, options)


@pytest.fixture(scope="session")
def one_browser(tmp_path_factory, site_certificate):
    browser = Browser(tmp_path_factory.mktemp("chromium"), site_certificate)
    yield browser
    browser.quit()


@pytest.fixture
def browser(one_browser):
    one_browser.forget()
    yield one_browser
