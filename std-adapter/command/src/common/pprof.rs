//! `--pprof`: a CPU profile of the running command.

use std::net::SocketAddr;

use ringstat_collector::Profiling;

use super::failure::{Exit, Failure};

/// The flag that offers it.
#[derive(clap::Args, Debug)]
pub(crate) struct Pprof {
    /// Address on loopback to serve a CPU profile of this process on, at /debug/pprof/profile?seconds=N; port 0 takes any
    /// free one
    #[arg(long, value_name = "ADDR")]
    pprof: Option<SocketAddr>,
}

impl Pprof {
    /// Offers the profile for as long as what is returned lives, and says where.
    pub(crate) fn start(&self) -> Result<Option<Profiling>, Failure> {
        let Some(at) = self.pprof else { return Ok(None) };
        let profiling = Profiling::start(at).map_err(|e| {
            let code = if at.ip().is_loopback() { Exit::Environment } else { Exit::Usage };
            Failure::new(code, format_args!("--pprof {at}: {e}"))
        })?;
        eprintln!("profile    http://{}/debug/pprof/profile?seconds=10", profiling.address());
        Ok(Some(profiling))
    }
}
