//! `DeleteItem`.

use super::Answer;
use crate::emulator::error::ServiceError;
use crate::emulator::request::Request;
use crate::emulator::world::World;

pub(super) fn handle(_world: &mut World, _request: &Request) -> Result<Answer, ServiceError> {
    Err(ServiceError::unsupported("DeleteItem"))
}
