#include "transport/dialer.hpp"

namespace sealift::transport {

EndpointDialer::EndpointDialer(net::DialOptions options, crypto::Identity identity)
    : options_(std::move(options)), identity_(std::move(identity)) {}

Result<net::PeerConnection> EndpointDialer::dial_control(Deadline deadline, const Stop& stop) {
  auto connection = net::dial_peer(options_, identity_, deadline, stop);
  if (connection) *dialled_.lock() = connection->dialled;
  return connection;
}

Result<net::TcpStream> EndpointDialer::dial_bulk(Deadline deadline, const Stop& stop) {
  const std::optional<net::Endpoint> dialled = *dialled_.lock();
  return net::dial_raw(options_, dialled, deadline, stop);
}

}  // namespace sealift::transport
