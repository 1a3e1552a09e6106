"""The other end of the data channel tests, by aiortc: a command in each line, an answer in each."""

import asyncio
import json
import sys

from aiortc import RTCPeerConnection, RTCSessionDescription

PERIOD, PART = 251, 64 * 1024
PATTERN = bytes(at % PERIOD for at in range(1 << 20))

pc = RTCPeerConnection()
channels = []


def part(at, length):
    return PATTERN[at % PERIOD : at % PERIOD + length]


def echo(channel):
    channel.on("message", channel.send)


def sink(channel, total):
    state = {"received": 0, "wrong": 0}

    def on_message(data):
        if data != part(state["received"], len(data)):
            state["wrong"] += len(data)
        state["received"] += len(data)
        if state["received"] >= total:
            channel.send(json.dumps(state))

    channel.on("message", on_message)


def source(channel, total):
    at = 0

    def pump(*_):
        nonlocal at
        while at < total and channel.bufferedAmount < 1 << 20:
            length = min(PART, total - at)
            channel.send(part(at, length))
            at += length

    channel.bufferedAmountLowThreshold = 256 * 1024
    channel.on("bufferedamountlow", pump)
    channel.on("message", pump)


def describe(channel):
    text = {
        "label": channel.label,
        "protocol": channel.protocol,
        "id": channel.id,
        "negotiated": channel.negotiated,
        "ordered": channel.ordered,
        "maxRetransmits": channel.maxRetransmits,
        "maxPacketLifeTime": channel.maxPacketLifeTime,
    }
    channel.on("message", lambda _: channel.send(json.dumps(text)))


def closer(channel, alone):
    def on_message(data):
        if data == "speak":
            channel.send("last")
        if data == "close" or alone:
            channel.close()

    channel.on("message", on_message)


def serve(channel):
    channels.append(channel)
    kind, *words = channel.label.split(" ")
    if kind == "echo":
        words = []
    globals()[kind](channel, *map(int, words))


def theirs(number):
    channel = pc.createDataChannel(f"theirs {number}")
    channel.echoed = False
    channels.append(channel)
    channel.on("open", lambda: channel.send(channel.label))

    def on_message(data):
        channel.echoed = data == channel.label

    channel.on("message", on_message)


def states():
    found = {"echoed": sum(getattr(channel, "echoed", False) for channel in channels)}
    for channel in channels:
        found[channel.readyState] = found.get(channel.readyState, 0) + 1
    return found


async def command(name, argument):
    if name == "answer":
        pc.on("datachannel", serve)
        serve(pc.createDataChannel("echo agreed", negotiated=True, id=900))
        await pc.setRemoteDescription(RTCSessionDescription(argument, "offer"))
        await pc.setLocalDescription(await pc.createAnswer())
        return pc.localDescription.sdp
    if name == "open":
        for number in range(argument):
            theirs(number)
        return None
    if name == "close":
        mine = [it for it in channels if it.label.startswith("theirs") and it.readyState == "open"]
        for channel in mine[:argument]:
            channel.close()
        return None
    return states()


async def main():
    loop = asyncio.get_running_loop()
    while line := await loop.run_in_executor(None, sys.stdin.readline):
        name, argument = json.loads(line)
        print(json.dumps(await command(name, argument)), flush=True)


asyncio.run(main())
