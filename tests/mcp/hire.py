"""A whole hire through `gigmesh mcp`, by the official Python client: found, hired, waited for, read, judged, closed.

    hire.py MODE GIGMESH ARGUMENT...

MODE is how the client opens the session (`legacy`: the initialize handshake; `auto`: discovery first); the rest is the
server's command. Prints one JSON document: what the model was shown. The calling test judges it.
"""

import asyncio
import json
import sys
import time

from mcp import StdioServerParameters
from mcp.client.client import Client
from mcp.client.stdio import stdio_client
from mcp.shared.exceptions import MCPError

DEADLINE = 60.0
TASK = {
    "skill": "text/count",
    "summary": "Count the words",
    "brief": {"inputs": {"text": {"text": "one two three\n"}}, "params": {"unit": "word"}},
    "accept": {"checks": ["result.words >= 1"], "sealed": ["result.words == 3"], "review": "person"},
    "price": {"max": "0.05 USD"},
    "time": {"bids": "500ms", "done": "5m"},
}


async def call(client, tool, **arguments):
    """The structured content of a call that went well; the text must hold the same for clients that show only that."""
    result = await client.call_tool(tool, arguments)
    assert not result.is_error, (tool, result.content)
    assert json.loads(result.content[1].text) == result.structured_content, tool
    return result.structured_content


async def until(what, look):
    """Looks until there is something to see."""
    deadline = time.monotonic() + DEADLINE
    while time.monotonic() < deadline:
        if seen := await look():
            return seen
        await asyncio.sleep(0.1)
    raise AssertionError(f"waited in vain for {what}")


async def hire(client):
    seen = {"version": client.protocol_version, "tools": {}}
    for tool in (await client.list_tools()).tools:
        seen["tools"][tool.name] = tool.input_schema

    async def somebody():
        return (await call(client, "find_agents", skill="text/count"))["agents"]

    seen["agents"] = await until("an agent", somebody)
    seen["details"] = await call(client, "agent_details", agent=seen["agents"][0]["agent"])

    wrong = await client.call_tool("hire", {**TASK, "accept": {"checks": ["result.words = 3"]}})
    seen["mistake"] = {"is_error": wrong.is_error, "content": wrong.structured_content}
    try:
        await client.call_tool("approve", {})
    except MCPError as error:
        seen["no_tool"] = error.error.code

    began = time.monotonic()
    offer = (await call(client, "hire", **TASK))["offer"]
    seen["offer"], seen["hire_took"] = offer, time.monotonic() - began

    async def standing(wanted):
        answer = await call(client, "wait", ids=[offer], timeout_s=20)
        [there] = answer["standings"]
        return there if there[wanted] else None

    async def needs_me():
        return await standing("needs_you")

    async def over():
        return await standing("over")

    seen["waiting"] = await until("the delivery", needs_me)
    seen["delivery"] = await call(client, "show", id=offer)
    seen["inbox"] = await call(client, "inbox")
    seen["judged"] = await call(client, "judge", id=offer, ruling="accept", note="thank you")
    seen["over"] = await until("the end", over)
    seen["shown"] = await call(client, "show", id=offer)
    seen["listed"] = await call(client, "show")
    return seen


async def main():
    mode, command, *arguments = sys.argv[1:]
    server = StdioServerParameters(command=command, args=arguments)
    async with Client(stdio_client(server), mode=mode) as client:
        seen = await hire(client)
        closing = time.monotonic()
    # The client closes stdin, and kills what has not ended by itself two seconds later.
    seen["closing_took"] = time.monotonic() - closing
    print(json.dumps(seen))


asyncio.run(main())
