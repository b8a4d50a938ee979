//! A network with one other machine, which answers ARP and accepts everything else: for measurements without a network.

use embassy_net_driver_channel::driver::{HardwareAddress, LinkState};
use embassy_net_driver_channel::{self as channel, Device, Runner, State};

/// The length of the longest frame.
pub const FRAME: usize = 1514;
const ME: [u8; 6] = [2, 0, 0, 0, 0, 1];
const OTHER: [u8; 6] = [2, 0, 0, 0, 0, 2];

/// Creates the device for embassy-net, and what [`run`] runs.
pub fn start<const RX: usize, const TX: usize>(
    state: &'static mut State<FRAME, RX, TX>,
) -> (Device<'static, FRAME>, Runner<'static, FRAME>) {
    let (runner, device) = channel::new(state, HardwareAddress::Ethernet(ME));
    (device, runner)
}

/// Answers requests for ever.
pub async fn run(mut runner: Runner<'static, FRAME>) -> ! {
    runner.set_link_state(LinkState::Up);
    loop {
        let reply = answer(runner.tx_buf().await);
        runner.tx_done();
        if let Some(reply) = reply {
            if let Some(room) = runner.rx_buf().await.get_mut(..reply.len()) {
                room.copy_from_slice(&reply);
            }
            runner.rx_done(reply.len());
        }
    }
}

/// The reply to an ARP request (RFC 826), in which sender and target change places.
fn answer(frame: &[u8]) -> Option<[u8; 42]> {
    let mut reply: [u8; 42] = *frame.first_chunk()?;
    let is_request = reply[12..14] == [0x08, 0x06] && reply[20..22] == [0, 1];
    if !is_request {
        return None;
    }
    let (sender, target): ([u8; 10], [u8; 4]) =
        (*frame.get(22..)?.first_chunk()?, *frame.get(38..)?.first_chunk()?);
    reply[..6].copy_from_slice(&ME);
    reply[6..12].copy_from_slice(&OTHER);
    reply[21] = 2;
    reply[22..28].copy_from_slice(&OTHER);
    reply[28..32].copy_from_slice(&target);
    reply[32..42].copy_from_slice(&sender);
    Some(reply)
}
