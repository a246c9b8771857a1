#!/usr/bin/env python3
"""Plays the corpus against a server and writes down every message that comes back.

    replay.py [--transcript FILE] [--pieces N] [FILE.sql ...]

Plain sockets, no driver. PGHOST, PGPORT, PGUSER, PGPASSWORD, PGDATABASE, PGSSLMODE and
PGSSLROOTCERT say where; ALLONYM_SCHEMA names the schema (default: corpus). README.md beside
this file describes the format. Two transcripts of one server, direct and through a relay,
must be identical.
"""

import argparse
import base64
import hashlib
import hmac
import os
import pathlib
import shlex
import socket
import ssl
import struct
import sys

HERE = pathlib.Path(__file__).resolve().parent
SCHEMA = os.environ.get("ALLONYM_SCHEMA", "corpus")
TIMEOUT = 60
FIRST_USER_OID = 16384
PREAMBLE = """
SET timezone = 'UTC'; SET datestyle = 'ISO, MDY'; SET intervalstyle = 'postgres';
SET lc_monetary = 'C'; SET lc_numeric = 'C'; SET lc_time = 'C'; SET bytea_output = 'hex';
SET extra_float_digits = 1; SET client_min_messages = 'notice'; SET jit = off;
SET max_parallel_workers_per_gather = 0; SET search_path = "@schema@";
"""


class Failure(Exception):
    """The peer did not keep to the protocol, or did not answer."""


def cstring(text):
    return (text.encode() if isinstance(text, str) else text) + b"\0"


def message(kind, body=b""):
    return kind.encode() + struct.pack("!I", len(body) + 4) + body


def readable(data):
    """ASCII as it is, every other byte as \\xNN: one line for any bytes."""
    return "".join(chr(b) if 32 <= b < 127 and b != 92 else f"\\x{b:02x}" for b in data)


def unescaped(text):
    """Bytes of a text in which \\xNN stands for a byte."""
    return text.encode("latin-1", "backslashreplace").decode("unicode_escape").encode("latin-1")


class Connection:
    """One connection that has logged in."""

    def __init__(self, startup, pieces):
        self.pieces = pieces
        self.buffer = bytearray()
        host, port = os.environ.get("PGHOST", "127.0.0.1"), int(os.environ.get("PGPORT", "5432"))
        self.socket = socket.create_connection((host, port), TIMEOUT)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.encrypt(host)
        self.pid = None
        self.greeting = []
        self.log_in(startup)

    def encrypt(self, host):
        mode = os.environ.get("PGSSLMODE", "disable")
        if mode in ("disable", "allow"):
            return
        context = ssl.create_default_context(cafile=os.environ.get("PGSSLROOTCERT"))
        if os.environ.get("PGSSLNEGOTIATION") == "direct":
            context.set_alpn_protocols(["postgresql"])
        else:
            self.socket.sendall(struct.pack("!II", 8, 80877103))
            answer = self.socket.recv(1)
            if answer != b"S":
                if mode == "prefer":
                    return
                raise Failure(f"no TLS: {answer!r}")
        context.check_hostname = mode == "verify-full"
        if mode not in ("verify-ca", "verify-full"):
            context.verify_mode = ssl.CERT_NONE
        if "PGSSLCERT" in os.environ:
            context.load_cert_chain(os.environ["PGSSLCERT"], os.environ.get("PGSSLKEY"))
        self.socket = context.wrap_socket(self.socket, server_hostname=host)

    def log_in(self, startup):
        user = os.environ.get("PGUSER", "postgres")
        settings = {"user": user, "database": os.environ.get("PGDATABASE", user), **startup}
        version = 196610 if os.environ.get("PGMAXPROTOCOLVERSION") == "3.2" else 196608
        body = struct.pack("!I", version) + b"".join(cstring(k) + cstring(v) for k, v in settings.items())
        self.send(struct.pack("!I", len(body) + 5) + body + b"\0")
        while True:
            kind, body = self.receive()
            if kind == "E":
                raise Failure(f"no login: {readable(body)}")
            if kind == "R":
                self.authenticate(struct.unpack_from("!I", body)[0], body[4:])
                continue
            if kind == "K":
                self.pid = struct.unpack_from("!I", body)[0]
            self.greeting.append((kind, body))
            if kind == "Z":
                return

    def authenticate(self, method, body):
        password = os.environ.get("PGPASSWORD", "")
        if method == 0 or method == 12:
            return
        if method == 3:
            self.send(message("p", cstring(password)))
        elif method == 10:
            if b"SCRAM-SHA-256" not in body.split(b"\0"):
                raise Failure(f"unknown mechanisms: {body!r}")
            nonce = base64.b64encode(os.urandom(18)).decode()
            self.scram = (nonce, f"n=,r={nonce}")
            first = ("n,," + self.scram[1]).encode()
            self.send(message("p", cstring("SCRAM-SHA-256") + struct.pack("!I", len(first)) + first))
        elif method == 11:
            self.send(message("p", self.scram_final(body.decode(), password)))
        else:
            raise Failure(f"unknown authentication {method}")

    def scram_final(self, server_first, password):
        fields = dict(part.split("=", 1) for part in server_first.split(","))
        if not fields["r"].startswith(self.scram[0]):
            raise Failure("the server's nonce does not extend ours")
        salted = hashlib.pbkdf2_hmac("sha256", password.encode(), base64.b64decode(fields["s"]), int(fields["i"]))
        without_proof = f"c=biws,r={fields['r']}"
        signed = f"{self.scram[1]},{server_first},{without_proof}".encode()
        client_key = hmac.digest(salted, b"Client Key", "sha256")
        signature = hmac.digest(hashlib.sha256(client_key).digest(), signed, "sha256")
        proof = bytes(a ^ b for a, b in zip(client_key, signature))
        return f"{without_proof},p={base64.b64encode(proof).decode()}".encode()

    def send(self, data):
        step = self.pieces or len(data) or 1
        try:
            for start in range(0, len(data), step):
                self.socket.sendall(data[start : start + step])
        except (BrokenPipeError, ConnectionResetError, ssl.SSLError):
            pass  # What the server said before it closed is still to be read.

    def receive(self):
        """The next message, or (None, b"") when the connection is closed."""
        while True:
            if len(self.buffer) >= 5:
                length = struct.unpack_from("!I", self.buffer, 1)[0] + 1
                if len(self.buffer) >= length:
                    kind, body = chr(self.buffer[0]), bytes(self.buffer[5:length])
                    del self.buffer[:length]
                    return kind, body
            try:
                data = self.socket.recv(1 << 16)
            except (ConnectionResetError, ssl.SSLEOFError):
                data = b""
            except TimeoutError as error:
                raise Failure(f"no answer within {TIMEOUT} s") from error
            if not data:
                if self.buffer:
                    raise Failure(f"closed in the middle of a message: {bytes(self.buffer[:60])!r}")
                return None, b""
            self.buffer += data

    def query(self, sql):
        """Runs statements that must not fail and are not written down."""
        self.send(message("Q", cstring(sql.replace("@schema@", SCHEMA))))
        while True:
            kind, body = self.receive()
            if kind in ("E", None):
                raise Failure(f"{sql.strip()[:60]}: {readable(body)}")
            if kind == "Z":
                return

    def close(self):
        self.send(message("X"))
        self.socket.close()


class Masks:
    """Numbers that the server gives out anew each time, replaced by their order."""

    def __init__(self):
        self.oids = {}

    def oid(self, oid):
        if oid < FIRST_USER_OID:
            return oid
        return 0xFFFF0000 + self.oids.setdefault(oid, len(self.oids))

    def masked(self, kind, body, pid):
        if kind == "A":
            mine = struct.unpack_from("!I", body)[0] == pid
            return (b"self" if mine else b"else") + body[4:]
        if kind == "t":
            count = struct.unpack_from("!H", body)[0]
            oids = struct.unpack_from(f"!{count}I", body, 2)
            return body[:2] + struct.pack(f"!{count}I", *map(self.oid, oids)) + body[2 + 4 * count :]
        if kind == "T":
            return self.row_description(bytearray(body))
        return body

    def row_description(self, body):
        at = 2
        for _ in range(struct.unpack_from("!H", body)[0]):
            at = body.index(0, at) + 1
            for place in (at, at + 6):
                struct.pack_into("!I", body, place, self.oid(struct.unpack_from("!I", body, place)[0]))
            at += 18
        return bytes(body)


class Statement:
    """One part of a file between two lines `;;`."""

    def __init__(self, text):
        self.parameters = self.formats = None
        self.copies, self.messages, self.escaped = [], None, False
        lines = text.split("\n")
        while lines and lines[0].startswith("-- "):
            name, _, rest = lines[0][3:].partition(":")
            if name in ("extended", "extended text"):
                self.formats = (0,) if name.endswith("text") else (0, 1)
                rest = rest.strip()
                self.parameters = [p.strip() for p in rest.split("|")] if rest else []
                del lines[0]
            elif name == "escaped":
                self.escaped = True
                del lines[0]
            elif name == "messages":
                self.messages = [line for line in lines[1:] if line]
                lines = []
            elif name.split(" ")[0] == "copy" and lines[0].endswith(":") or name == "copy fail":
                lines = self.copy(name, rest.strip(), lines)
            else:
                break
        self.sql = "\n".join(lines).replace("@schema@", SCHEMA)

    def copy(self, name, rest, lines):
        if name == "copy fail":
            self.copies.append(message("f", cstring(rest)))
            return lines[1:]
        end = lines.index("-- end")
        if name == "copy hex":
            data = bytes.fromhex("".join(lines[1:end]))
        elif name == "copy escaped":
            data = unescaped("".join(lines[1:end]))
        else:
            data = "".join(line + "\n" for line in lines[1:end]).encode()
        size = int(name[5:]) if name[5:].isdigit() else len(data) or 1
        pieces = [data[i : i + size] for i in range(0, len(data), size)]
        self.copies.append(b"".join(message("d", piece) for piece in pieces) + message("c"))
        return lines[end + 1 :]

    def text(self):
        return unescaped(self.sql) if self.escaped else self.sql.encode()

    def requests(self):
        """What is sent in one go, and how many times the server becomes ready after it."""
        if self.messages is not None:
            data = b"".join(frontend(line) for line in self.messages)
            yield "messages", data, sum(map(makes_ready, self.messages))
        elif self.parameters is None:
            yield "query", message("Q", cstring(self.text())), 1
        else:
            for result in self.formats:
                yield f"extended {'binary' if result else 'text'}", self.extended(result), 1

    def extended(self, result):
        values = b""
        for parameter in self.parameters:
            if parameter == "\\N":
                values += struct.pack("!i", -1)
            else:
                data = unescaped(parameter) if self.escaped else parameter.encode()
                values += struct.pack("!I", len(data)) + data
        bind = b"\0\0" + struct.pack("!HH", 0, len(self.parameters)) + values + struct.pack("!HH", 1, result)
        return (
            message("P", b"\0" + cstring(self.text()) + b"\0\0")
            + message("B", bind)
            + message("D", b"P\0")
            + message("E", b"\0" + struct.pack("!I", 0))
            + message("S")
        )


def makes_ready(line):
    words = line.split()
    return words[0] in ("Sync", "Query") or words[:2] in (["Message", "F"], ["Message", "Q"], ["Message", "z"])


def frontend(line):
    """One message as the corpus writes it after `-- messages`."""
    name, *words = shlex.split(line.replace("@schema@", SCHEMA))
    if name == "Parse":
        oids = [int(oid) for oid in words[2:]]
        return message("P", cstring(words[0]) + cstring(words[1]) + struct.pack(f"!H{len(oids)}I", len(oids), *oids))
    if name == "Bind":
        return message("B", bind(words))
    if name in ("Describe", "Close"):
        return message(name[0], words[0].encode() + cstring(words[1]))
    if name == "Execute":
        return message("E", cstring(words[0]) + struct.pack("!I", int(words[1]) if len(words) > 1 else 0))
    if name == "Query":
        return message("Q", cstring(words[0]))
    if name in ("Sync", "Flush"):
        return message(name[0] if name == "Sync" else "H")
    if name == "CopyData":
        return message("d", unescaped(words[0]))
    if name == "CopyDone":
        return message("c")
    if name == "CopyFail":
        return message("f", cstring(words[0]))
    if name == "Message":
        return message(words[0], bytes.fromhex("".join(words[1:])))
    raise Failure(f"not a message: {line}")


def bind(words):
    portal, statement, *values = words
    results = []
    if "->" in values:
        at = values.index("->")
        values, results = values[:at], [int(word) for word in values[at + 1 :]]
    formats, data = [], b""
    for value in values:
        kind, _, rest = value.partition(":")
        formats.append(int(kind == "b"))
        if kind == "null":
            data += struct.pack("!i", -1)
            continue
        value = bytes.fromhex(rest) if kind == "b" else rest.encode()
        data += struct.pack("!I", len(value)) + value
    return (
        cstring(portal) + cstring(statement)
        + struct.pack(f"!H{len(formats)}H", len(formats), *formats)
        + struct.pack("!H", len(values)) + data
        + struct.pack(f"!H{len(results)}H", len(results), *results)
    )


class Player:
    """Plays files and keeps the transcript."""

    def __init__(self, out, pieces):
        self.out, self.pieces = out, pieces
        self.statements = self.messages = 0

    def play(self, path):
        text = path.read_text(encoding="utf-8")
        parts = [part.strip("\n") for part in ("\n" + text).split("\n;;\n")]
        if parts[-1] == "":
            parts.pop()
        startup = dict(
            line.removeprefix("-- startup: ").split("=", 1)
            for line in parts[0].split("\n")
            if line.startswith("-- startup: ")
        )
        parts[0] = "\n".join(line for line in parts[0].split("\n") if not line.startswith("-- startup: "))
        print(f"== {path.name}", file=self.out)
        self.masks, self.startup = Masks(), startup
        self.connection = None
        self.connect()
        self.connection.query('DROP SCHEMA IF EXISTS "@schema@" CASCADE; CREATE SCHEMA "@schema@"')
        for number, part in enumerate(parts, 1):
            self.statement(number, Statement(part))
        self.connection.query('ROLLBACK; RESET ALL; DROP SCHEMA IF EXISTS "@schema@" CASCADE')
        self.connection.close()

    def connect(self):
        self.connection = Connection(self.startup, self.pieces)
        # The order of these depends on the server's hash table alone, so it is kept.
        for kind, body in self.connection.greeting:
            self.write(kind, body)
        self.connection.query(PREAMBLE)

    def statement(self, number, statement):
        self.statements += 1
        for name, data, ready in statement.requests():
            head = statement.sql.split("\n")[0][:100] if statement.messages is None else statement.messages[0][:100]
            print(f"-- {number} {name}: {head}", file=self.out)
            self.connection.send(data)
            self.answer(ready, list(statement.copies), name.startswith("extended"))

    def answer(self, ready, copies, extended):
        while ready:
            kind, body = self.connection.receive()
            if kind is None:
                print("closed", file=self.out)
                return self.connect()
            self.write(kind, body)
            if kind == "Z":
                ready -= 1
            elif kind == "G" and (copies or extended or ready == 1):
                data = copies.pop(0) if copies else message("f", cstring("no data in the corpus"))
                # A Sync sent before the data was dropped by the server.
                self.connection.send(data + (message("S") if extended else b""))

    def write(self, kind, body):
        self.messages += 1
        if kind == "K":
            print("K masked", file=self.out)
            return
        print(kind, len(body), readable(self.masks.masked(kind, body, self.connection and self.connection.pid)), file=self.out)


def main():
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--transcript", default="-")
    arguments.add_argument("--pieces", type=int, default=0, help="send this many bytes at a time")
    arguments.add_argument("files", nargs="*", type=pathlib.Path)
    arguments = arguments.parse_args()
    files = arguments.files or sorted(HERE.glob("*.sql"))
    out = sys.stdout if arguments.transcript == "-" else open(arguments.transcript, "w", encoding="utf-8")
    player = Player(out, arguments.pieces)
    for path in files:
        try:
            player.play(path)
        except (Failure, OSError) as error:
            out.flush()
            print(f"{path.name}, statement {player.statements}: {error}", file=sys.stderr)
            return 1
    out.flush()
    print(f"ok {player.statements} statements, {player.messages} messages", file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main())
