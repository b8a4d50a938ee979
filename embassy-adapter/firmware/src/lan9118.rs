//! The LAN9118 Ethernet controller of the MPS2 board, behind embassy-net-driver-channel.
//!
//! An interrupt reports that a frame has arrived; the task of [`run`] moves frames between the controller's FIFOs and
//! the channel that embassy-net reads. For the registers, see the SMSC LAN9118 data sheet, revision 1.5, chapter 5.

use core::future::poll_fn;
use core::task::{Context, Poll};

use embassy_futures::select::select;
use embassy_net_driver_channel::driver::{HardwareAddress, LinkState};
use embassy_net_driver_channel::{self as channel, Device, Runner, State};
use embassy_sync::waitqueue::AtomicWaker;
use embassy_time::{Duration, Timer};

use crate::board::{Irq, enable, read, write};

/// The length of the longest frame, without its checksum.
pub const FRAME: usize = 1514;

const BASE: usize = 0x4020_0000;
const IRQ: Irq = Irq(13);
const RX_DATA: usize = BASE;
const TX_DATA: usize = BASE + 0x20;
const RX_STATUS: usize = BASE + 0x40;
const TX_STATUS: usize = BASE + 0x48;
const IRQ_CFG: usize = BASE + 0x54;
const INT_STS: usize = BASE + 0x58;
const INT_EN: usize = BASE + 0x5C;
const BYTE_TEST: usize = BASE + 0x64;
const FIFO_INT: usize = BASE + 0x68;
const RX_CFG: usize = BASE + 0x6C;
const TX_CFG: usize = BASE + 0x70;
const HW_CFG: usize = BASE + 0x74;
const RX_FIFO_INF: usize = BASE + 0x7C;
const TX_FIFO_INF: usize = BASE + 0x80;
const MAC_CMD: usize = BASE + 0xA4;
const MAC_DATA: usize = BASE + 0xA8;
const AFC_CFG: usize = BASE + 0xAC;

/// The bit of both interrupt registers that says that a frame waits.
const RX_STATUS_LEVEL: u32 = 1 << 3;
/// Bits of the interface to the MAC's registers: start, and read.
const MAC_GO: u32 = 1 << 31;
const MAC_READ: u32 = 1 << 30;
/// Registers of the MAC.
const MAC_CR: u32 = 1;
const ADDRH: u32 = 2;
const ADDRL: u32 = 3;
const MII_ACC: u32 = 6;
const MII_DATA: u32 = 7;
/// Registers of the PHY, and the bit for "the link is up" in the second one.
const PHY_CONTROL: u32 = 0;
const PHY_STATUS: u32 = 1;
const PHY_LINK: u32 = 1 << 2;

/// The interval at which the link is checked.
const LINK: Duration = Duration::from_millis(50);

static WAKER: AtomicWaker = AtomicWaker::new();

/// Wakes the task because a frame has arrived. The task enables the interrupt again when it has taken all frames.
pub(crate) fn on_interrupt() {
    write(INT_EN, 0);
    WAKER.wake();
}

/// Finds the controller and starts it. Returns the device for embassy-net, and what [`run`] runs.
pub fn start<const RX: usize, const TX: usize>(
    state: &'static mut State<FRAME, RX, TX>,
) -> (Device<'static, FRAME>, Runner<'static, FRAME>) {
    if read(BYTE_TEST) != 0x8765_4321 {
        crate::host::fail("no LAN9118 at its address");
    }
    write(HW_CFG, 1);
    while read(HW_CFG) & 1 != 0 {}
    // 5 kB of FIFO for sending, and the bits that must be set.
    write(HW_CFG, 0x0015_0000);
    // Flow control as the data sheet recommends.
    write(AFC_CFG, 0x006E_3740);
    // Push-pull, active high, enabled.
    write(IRQ_CFG, 0x111);
    // An interrupt from the first frame on.
    write(FIFO_INT, 0x4800_0000);
    write(INT_STS, u32::MAX);
    write(RX_CFG, 0);
    // Enabled, with room for several status words.
    write(TX_CFG, 0x6);
    // Full duplex, receiver and transmitter enabled.
    mac_write(MAC_CR, 0x0010_000C);
    phy_write(PHY_CONTROL, 0x1200);
    let (low, high) = (mac_read(ADDRL).to_le_bytes(), mac_read(ADDRH).to_le_bytes());
    let address = [low[0], low[1], low[2], low[3], high[0], high[1]];
    enable(IRQ, 2);
    let (runner, device) = channel::new(state, HardwareAddress::Ethernet(address));
    (device, runner)
}

/// Moves frames, and reports the link to the stack, for ever.
pub async fn run(mut runner: Runner<'static, FRAME>) -> ! {
    loop {
        let up = phy_read(PHY_STATUS) & PHY_LINK != 0;
        runner.set_link_state(if up { LinkState::Up } else { LinkState::Down });
        select(poll_fn(|cx| serve(&mut runner, cx)), Timer::after(LINK)).await;
    }
}

/// Moves what can be moved. Never ready.
fn serve(runner: &mut Runner<'static, FRAME>, cx: &mut Context<'_>) -> Poll<()> {
    WAKER.register(cx.waker());
    write(INT_STS, RX_STATUS_LEVEL);
    let mut full = false;
    while read(RX_FIFO_INF) >> 16 & 0xFF != 0 {
        let Poll::Ready(buf) = runner.poll_rx_buf(cx) else {
            // Without the interrupt: the stack wakes this task when it makes progress.
            full = true;
            break;
        };
        if let Some(length) = receive(buf) {
            runner.rx_done(length);
        }
    }
    while let Poll::Ready(frame) = runner.poll_tx_buf(cx) {
        if (read(TX_FIFO_INF) & 0xFFFF) < frame.len() as u32 + 16 {
            // The FIFO is emptied at the speed of the wire.
            cx.waker().wake_by_ref();
            break;
        }
        send(frame);
        runner.tx_done();
        while read(TX_FIFO_INF) >> 16 & 0xFF != 0 {
            read(TX_STATUS);
        }
    }
    if !full {
        write(INT_EN, RX_STATUS_LEVEL);
    }
    Poll::Pending
}

/// Receives one frame. Returns `None`, and drops the frame, if it is damaged or too long.
fn receive(buf: &mut [u8]) -> Option<usize> {
    let status = read(RX_STATUS);
    let with_checksum = (status >> 16 & 0x3FFF) as usize;
    let length = with_checksum.saturating_sub(4);
    let good = status & 1 << 15 == 0 && length <= buf.len();
    for at in 0..with_checksum.div_ceil(4) {
        let word = read(RX_DATA).to_le_bytes();
        let rest = buf.get_mut(4 * at..length).unwrap_or(&mut []);
        for (to, from) in rest.iter_mut().zip(word) {
            *to = from;
        }
    }
    good.then_some(length)
}

/// Sends one frame. The FIFO must have room for it.
fn send(frame: &[u8]) {
    let length = frame.len() as u32;
    // The first word marks the only piece of the frame; the second is the frame's length, which also serves as its tag.
    write(TX_DATA, 1 << 13 | 1 << 12 | length);
    write(TX_DATA, length << 16 | length);
    for piece in frame.chunks(4) {
        let mut word = [0; 4];
        word.iter_mut().zip(piece).for_each(|(to, from)| *to = *from);
        write(TX_DATA, u32::from_le_bytes(word));
    }
}

fn mac_wait() {
    while read(MAC_CMD) & MAC_GO != 0 {}
}

fn mac_read(register: u32) -> u32 {
    mac_wait();
    write(MAC_CMD, MAC_GO | MAC_READ | register);
    mac_wait();
    read(MAC_DATA)
}

fn mac_write(register: u32, value: u32) {
    mac_wait();
    write(MAC_DATA, value);
    write(MAC_CMD, MAC_GO | register);
    mac_wait();
}

/// The controller's own PHY has address 1.
fn phy(register: u32, writes: bool) {
    mac_write(MII_ACC, 1 << 11 | register << 6 | u32::from(writes) << 1 | 1);
    while mac_read(MII_ACC) & 1 != 0 {}
}

fn phy_read(register: u32) -> u32 {
    phy(register, false);
    mac_read(MII_DATA)
}

fn phy_write(register: u32, value: u32) {
    mac_write(MII_DATA, value);
    phy(register, true);
}
