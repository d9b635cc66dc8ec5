"""A bad link between two network namespaces, packet by packet: delay, loss, a rate, and connections reset on demand.

usage: badLink.py NAMESPACE_A NAMESPACE_B DELAY_MS LOSS MBIT PORT   (as root; 10.77.0.1 is in A, 10.77.0.2 in B)
Says "ready"; every line on standard input resets the TCP connections to PORT. Ends, and tidies up, with standard input.
"""
import fcntl, heapq, os, random, select, struct, subprocess, sys, time

NAMES = sys.argv[1:3]
DELAY = float(sys.argv[3]) / 1000
LOSS = float(sys.argv[4])
RATE = float(sys.argv[5]) * 1e6 / 8
PORT = int(sys.argv[6])
QUEUE_SECONDS = 0.5
TUNSETIFF, IFF_TUN, IFF_NO_PI = 0x400454CA, 0x0001, 0x1000


def ip(*words):
    subprocess.run(["ip", *words], check=True)


def open_end(index):
    device = f"weftlink{index}"
    end = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
    fcntl.ioctl(end, TUNSETIFF, struct.pack("16sH", device.encode(), IFF_TUN | IFF_NO_PI))
    name = NAMES[index]
    ip("netns", "add", name)
    # The namespace changes; the open file stays with this process.
    ip("link", "set", device, "netns", name)
    ip("-n", name, "addr", "add", f"10.77.0.{index + 1}/24", "dev", device)
    ip("-n", name, "link", "set", device, "up")
    ip("-n", name, "link", "set", "lo", "up")
    return end


def checksum(data):
    if len(data) % 2:
        data += b"\0"
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def reset_of(packet):
    """The packet as a reset of its TCP connection; None for others than those to or from PORT."""
    header = (packet[0] & 15) * 4
    if packet[0] >> 4 != 4 or packet[9] != 6:
        return None
    source, target, sequence, acknowledged = struct.unpack("!HHII", packet[header : header + 12])
    if PORT not in (source, target):
        return None
    tcp = struct.pack("!HHIIBBHHH", source, target, sequence, acknowledged, 5 << 4, 0x14, 0, 0, 0)
    pseudo = packet[12:20] + struct.pack("!BBH", 0, 6, 20)
    tcp = tcp[:16] + struct.pack("!H", checksum(pseudo + tcp)) + tcp[18:]
    head = bytearray(packet[:20])
    head[0], head[2:4], head[10:12] = 0x45, struct.pack("!H", 40), b"\0\0"
    head[10:12] = struct.pack("!H", checksum(bytes(head)))
    return bytes(head) + tcp


def forward(ends):
    rng = random.Random(1)
    waiting, count = [], 0
    free = [0.0, 0.0]
    resets = [0, 0]
    while True:
        now = time.monotonic()
        while waiting and waiting[0][0] <= now:
            _, _, to, packet = heapq.heappop(waiting)
            try:
                os.write(ends[to], packet)
            except BlockingIOError:
                pass
        pause = max(0, waiting[0][0] - now) if waiting else None
        for readable in select.select([*ends, sys.stdin], [], [], pause)[0]:
            if readable is sys.stdin:
                if not sys.stdin.readline():
                    return
                resets = [3, 3]
                continue
            to = 1 - ends.index(readable)
            try:
                packet = os.read(readable, 65536)
            except BlockingIOError:
                continue
            now = time.monotonic()
            reset = reset_of(packet) if resets[to] else None
            if reset:
                resets[to] -= 1
                packet = reset
            elif rng.random() < LOSS or free[to] - now > QUEUE_SECONDS:
                continue
            free[to] = max(now, free[to]) + len(packet) / RATE
            count += 1
            heapq.heappush(waiting, (free[to] + DELAY, count, to, packet))


try:
    ends = [open_end(0), open_end(1)]
    print("ready", flush=True)
    forward(ends)
finally:
    for name in NAMES:
        subprocess.run(["ip", "netns", "del", name], check=False)
