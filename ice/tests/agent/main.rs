//! Agents against each other in virtual time, and against forgers.

#[cfg(test)]
mod bounds;
#[cfg(test)]
mod connect;
#[cfg(test)]
mod consent;
#[cfg(test)]
mod contract;
#[cfg(test)]
mod embedding;
#[cfg(test)]
mod forgery;
#[cfg(test)]
mod gather;
#[cfg(test)]
mod network;
#[cfg(test)]
mod nomination;
#[cfg(test)]
mod paths;
#[cfg(test)]
mod restart;
#[cfg(test)]
mod roles;
#[cfg(test)]
mod seeds;
#[cfg(test)]
mod streams;
