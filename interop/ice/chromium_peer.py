"""Chromium as the other side of a test: signalling as JSON lines on standard input and output, ICE by the browser's libwebrtc.

    chromium_peer.py BROWSER trickle|whole [mdns]

"trickle" tells candidates one by one, "whole" tells descriptions with all of them. "mdns" leaves addresses hidden behind names.
The browser is driven over its DevTools protocol, through a pipe, and ends when the pipe does.
"""

import json
import os
import pathlib
import subprocess
import sys
import threading


def start():
    """The browser, with pipes as its file descriptors 3 and 4."""
    to_browser, ours = os.pipe()
    theirs, from_browser = os.pipe()
    words = [
        sys.argv[1],
        "--headless",
        # Root has no sandbox. The page is ours.
        "--no-sandbox",
        "--no-zygote",
        "--disable-gpu",
        "--remote-debugging-pipe",
    ]
    if "mdns" not in sys.argv:
        words.append("--disable-features=WebRtcHideLocalIpsWithMdns")
    # The shell moves both out of the way first, for they may have these numbers.
    shell = f'exec 8<&{to_browser} 9>&{from_browser} 3<&8 4>&9 8<&- 9>&-; exec "$@"'
    process = subprocess.Popen(["bash", "-c", shell, "chromium", *words], pass_fds=[to_browser, from_browser])
    os.close(to_browser)
    os.close(from_browser)
    return process, ours, theirs


class Browser:
    """Calls to it are answered by messages with the same number."""

    def __init__(self):
        self.process, self.to, self.source = start()
        self.number = 0
        self.session = {}
        self.lock = threading.Lock()

    def send(self, method, **params):
        with self.lock:
            self.number += 1
            message = {"id": self.number, "method": method, "params": params, **self.session}
            os.write(self.to, json.dumps(message).encode() + b"\0")
            return self.number

    def messages(self):
        rest = b""
        while data := os.read(self.source, 65536):
            *whole, rest = (rest + data).split(b"\0")
            yield from map(json.loads, whole)

    def call(self, messages, method, **params):
        number = self.send(method, **params)
        return next(message["result"] for message in messages if message.get("id") == number)

    def evaluate(self, expression):
        self.send("Runtime.evaluate", expression=expression)


def read(browser):
    for line in sys.stdin:
        browser.evaluate(f"command({line})")
    # As when this process is killed: the browser ends because the pipe does.
    os._exit(0)


def main():
    browser = Browser()
    messages = browser.messages()
    target = browser.call(messages, "Target.createTarget", url="about:blank")["targetId"]
    attached = browser.call(messages, "Target.attachToTarget", targetId=target, flatten=True)
    browser.session = {"sessionId": attached["sessionId"]}
    browser.call(messages, "Runtime.enable")
    browser.call(messages, "Runtime.addBinding", name="say")
    browser.evaluate(pathlib.Path(__file__).with_name("side.js").read_text())
    whole = json.dumps("whole" in sys.argv)
    browser.evaluate(f"command = side(new RTCPeerConnection(), {whole}, (words) => say(JSON.stringify(words)))")
    threading.Thread(target=read, args=[browser], daemon=True).start()
    for message in messages:
        if message.get("method") == "Runtime.bindingCalled":
            print(message["params"]["payload"], flush=True)
        elif "exceptionDetails" in message.get("result", {}):
            print(json.dumps({"error": message["result"]["exceptionDetails"]}), flush=True)


main()
