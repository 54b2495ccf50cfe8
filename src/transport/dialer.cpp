#include "transport/dialer.hpp"

namespace sealift::transport {

EndpointDialer::EndpointDialer(net::DialOptions options, crypto::Identity identity)
    : options_(std::move(options)), identity_(std::move(identity)) {}

Result<net::PeerConnection> EndpointDialer::dial_control(Deadline deadline, const Stop& stop) {
  return net::dial_peer(options_, identity_, deadline, stop);
}

Result<net::TcpStream> EndpointDialer::dial_bulk(Deadline deadline, const Stop& stop) {
  Error last{Code::kUnavailable, "no address is known"};
  for (std::size_t tried = 0; tried < options_.endpoints.size(); ++tried) {
    const std::size_t index = (good_ + tried) % options_.endpoints.size();
    auto stream = net::TcpStream::connect(options_.endpoints[index], deadline, stop);
    if (stream) {
      good_ = index;
      return stream;
    }
    last = stream.error();
  }
  return std::unexpected(std::move(last));
}

}  // namespace sealift::transport
