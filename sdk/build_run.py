"""Write ``run``, the images' start command: block the signals that end a job, then start the plugin.

Used by ``build_runtime.py``. An image has no shell, and its interpreter needs its loader: nine words, too
many where the command has to be given (Concourse, Kubernetes, a base of one's own). And PID 1 loses
signals until it has handlers, which takes Python as long as its own start.

``run`` is a static executable of half a kilobyte, written here byte by byte: four system calls need no
compiler, and a file that no compiler made is the same on every day and every machine.

Sources: elf(5); the system calls' numbers and registers in syscall(2) and Linux' unistd.h of each machine.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

HOME = "/gocdnext"
"""Where the runtime is in an image. ``run`` works there, and nowhere else."""

COMMAND = (
    *(f"{HOME}/ld.so", "--library-path", f"{HOME}/lib", f"{HOME}/bin/python3"),
    *("-I", "-S", "-X", "utf8", f"{HOME}/launch.py"),
)
"""What it starts. Arguments that a system adds, such as GitLab's search for a shell, are left out."""

BLOCKED = (1, 2, 15)
"""SIGHUP, SIGINT and SIGTERM wait until launch.py has handlers."""

MISSING = f"error: {COMMAND[0]} does not start; an image needs the whole of {HOME}\n".encode()
EX_NOT_STARTED = 127

ADDRESS = 0x400000
HEADERS = 64 + 2 * 56
SIG_BLOCK = 0
STDERR = 2


@dataclass(frozen=True)
class Machine:
    """How one kind of processor makes system calls.

    Args:
        number: of the machine, in the ELF header.
        blocking, executing, writing, ending: the numbers of rt_sigprocmask, execve, write and exit_group.
        load: the code that puts a value below 2³² into the register of an argument; -1 is the call's number.
        environ: the code that puts the address of the environment into the third argument. When a program
            starts, the stack holds argc, the arguments, a zero, and the environment.
        trap: the code that makes the call.
    """

    number: int
    blocking: int
    executing: int
    writing: int
    ending: int
    load: Callable[[int, int], bytes]
    environ: bytes
    trap: bytes

    def call(self, number: int, *arguments: int | None) -> bytes:
        """Give the code of one system call; None is the environment."""
        loads = [
            self.environ if value is None else self.load(place, value)
            for place, value in enumerate(arguments)
        ]
        return b"".join((*loads, self.load(-1, number), self.trap))


def _x86_64(place: int, value: int) -> bytes:
    # mov edi/esi/edx/r10d/eax, value
    codes = (b"\xbf", b"\xbe", b"\xba", b"\x41\xba", b"\xb8")
    return codes[place] + struct.pack("<I", value)


def _aarch64(place: int, value: int) -> bytes:
    # movz xN, low; movk xN, high, lsl 16
    register = 8 if place < 0 else place
    low, high = value & 0xFFFF, value >> 16
    return struct.pack("<II", 0xD2800000 | low << 5 | register, 0xF2A00000 | high << 5 | register)


MACHINES = (
    Machine(
        *(62, 14, 59, 1, 231, _x86_64),
        environ=bytes.fromhex("488b1424488d54d410"),  # mov rdx, [rsp]; lea rdx, [rsp + 8 * rdx + 16]
        trap=bytes.fromhex("0f05"),  # syscall
    ),
    Machine(
        *(183, 135, 221, 64, 94, _aarch64),
        # ldr x2, [sp]; add x2, sp, x2, uxtx 3; add x2, x2, 16
        environ=struct.pack("<III", 0xF94003E2, 0x8B226FE2, 0x91004042),
        trap=struct.pack("<I", 0xD4000001),  # svc 0
    ),
)


def executable(machine: Machine, command: Iterable[str] = COMMAND) -> bytes:
    """Give ``run`` for one kind of processor.

    Args:
        machine: the processor.
        command: what it starts, with the whole path in front.
    """
    words = [word.encode() + b"\0" for word in command]

    def code(data: int) -> bytes:
        """Give the program whose data begin at that address."""
        text = data + 8 + 8 * (len(words) + 1)
        message = text + sum(map(len, words))
        return b"".join(
            (
                machine.call(machine.blocking, SIG_BLOCK, data, 0, 8),
                machine.call(machine.executing, text, data + 8, None),
                machine.call(machine.writing, STDERR, message, len(MISSING)),
                machine.call(machine.ending, EX_NOT_STARTED),
            )
        )

    begin = ADDRESS + HEADERS
    data = begin + -(-len(code(0)) // 8) * 8
    text = data + 8 + 8 * (len(words) + 1)
    pointers = [text + sum(map(len, words[:place])) for place in range(len(words))]
    content = code(data).ljust(data - begin, b"\0")
    content += struct.pack("<Q", sum(1 << number - 1 for number in BLOCKED))
    content += struct.pack(f"<{len(words) + 1}Q", *pointers, 0) + b"".join(words) + MISSING
    size = HEADERS + len(content)
    header = struct.pack(
        *("<4s5B7xHHIQQQIHHHHHH", b"\x7fELF", 2, 1, 1, 0, 0, 2, machine.number, 1),
        *(begin, 64, 0, 0, 64, 56, 2, 0, 0, 0),
    )
    loaded = struct.pack(
        "<IIQQQQQQ", 1, 5, 0, ADDRESS, ADDRESS, size, size, 0x10000
    )  # to read and to execute
    stack = struct.pack("<IIQQQQQQ", 0x6474E551, 6, 0, 0, 0, 0, 0, 16)  # PT_GNU_STACK: not to execute
    return header + loaded + stack + content


def machine_of(binary: Path) -> Machine:
    """Give the processor that *binary* is for."""
    (number,) = struct.unpack_from("<H", binary.read_bytes()[:64], 18)
    for machine in MACHINES:
        if machine.number == number:
            return machine
    raise SystemExit(f"{binary} is for a machine of ELF's number {number}, for which there is no `run` yet")


def write(runtime: Path) -> None:
    """Make *runtime*/run for the processor of its interpreter."""
    file = runtime / "run"
    file.write_bytes(executable(machine_of(runtime / "bin" / "python3")))
    file.chmod(0o755)
