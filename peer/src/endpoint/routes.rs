//! What connections say of the ways to them, and whose a path is that several say is theirs.

use ice::PathProof;

use super::{ConnectionId, Endpoint};
use crate::connection::Route;

impl Endpoint {
    pub(super) fn take_routes(&mut self, id: ConnectionId) {
        while let Some(entry) = self.entry_mut(id)
            && let Some(route) = entry.connection.poll_route()
        {
            match route {
                Route::Ufrag(ufrag) => {
                    entry.ufrags.push(ufrag.clone());
                    self.demux.bind_ufrag(&ufrag, id);
                }
                Route::UfragGone(ufrag) => {
                    entry.ufrags.retain(|known| *known != ufrag);
                    self.demux.unbind_ufrag(&ufrag, id);
                }
                Route::Path(path, proof) => {
                    entry.paths.retain(|known| *known != path);
                    entry.paths.push(path);
                    // Everybody with a connection here has the password of one, and can make a
                    // request from whatever address. Who really is at the address of another that
                    // is no more answers our check.
                    if proof == PathProof::Response || self.demux.path_owner(path).is_none() {
                        self.demux.bind_path(path, id);
                    }
                }
                Route::PathGone(path) => {
                    entry.paths.retain(|known| *known != path);
                    self.demux.unbind_path(path, id);
                }
            }
        }
    }
}
