//! The network of the emulated board: its Ethernet chip under embassy-net.

use embassy_executor::Spawner;
use embassy_net::{Config, Runner, Stack, StackResources};
use embassy_net_driver_channel as channel;
use static_cell::StaticCell;

use crate::lan9118;

/// Starts the driver and the stack, once.
pub fn start(spawner: Spawner, config: Config, seed: u64) -> Stack<'static> {
    static STATE: StaticCell<channel::State<{ lan9118::FRAME }, 4, 4>> = StaticCell::new();
    static RESOURCES: StaticCell<StackResources<3>> = StaticCell::new();
    let (device, driver) = lan9118::start(STATE.init(channel::State::new()));
    spawner.spawn(ethernet(driver).unwrap());
    let (stack, runner) =
        embassy_net::new(device, config, RESOURCES.init(StackResources::new()), seed);
    spawner.spawn(net(runner).unwrap());
    stack
}

#[embassy_executor::task]
async fn ethernet(driver: channel::Runner<'static, { lan9118::FRAME }>) -> ! {
    lan9118::run(driver).await
}

#[embassy_executor::task]
async fn net(mut runner: Runner<'static, channel::Device<'static, { lan9118::FRAME }>>) -> ! {
    runner.run().await
}
