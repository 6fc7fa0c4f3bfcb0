// An echo server and clients of it in C++20: coroutines over one socket2_poll() loop.
//
// usage: echo server [port]              serves, and says where
//        echo client host port text...   a connection for each text; prints what comes back
//        echo                            both, in one loop
#include <array>
#include <cstdlib>
#include <iostream>
#include <socket2.hpp>
#include <string>
#include <string_view>
#include <vector>

using socket2::Address;
using socket2::Loop;
using socket2::Socket;
using socket2::Task;

namespace {

Task echo(Socket connection) {
    std::array<char, 4096> buffer;
    try {
        while (const int n = co_await connection.recv(buffer)) {
            co_await connection.send({buffer.data(), static_cast<size_t>(n)});
        }
    } catch (const socket2::Error& error) {
        std::cerr << "a client: " << error.what() << '\n';
    }
}

Task serve(Socket listener) {
    while (true) {
        try {
            echo(co_await listener.accept());
        } catch (const socket2::Error& error) {
            if (error.code() == SOCKET2_ECLOSED) co_return;
            std::cerr << "accept: " << error.what() << '\n';
        }
    }
}

// Starts a server and returns its address.
Address start(Loop& loop, const char* port) {
    Socket listener = Socket::tcp(loop);
    listener.bind(Address::lookup("127.0.0.1", port));
    listener.listen();
    const Address address = listener.local_address();
    serve(std::move(listener));
    return address;
}

struct Clients {
    Loop& loop;
    size_t running = 0;
    int failed = 0;
};

Task talk(Clients& clients, Address address, std::string_view text) {
    try {
        Socket connection = Socket::tcp(clients.loop);
        co_await connection.connect(address);
        co_await connection.send(text);
        connection.shutdown(SOCKET2_SHUT_WRITE);
        std::array<char, 4096> buffer;
        std::string answer;
        while (const int n = co_await connection.recv(buffer)) {
            answer.append(buffer.data(), static_cast<size_t>(n));
        }
        std::cout << answer << std::endl;
    } catch (const socket2::Error& error) {
        std::cerr << text << ": " << error.what() << '\n';
        ++clients.failed;
    }
    if (--clients.running == 0) clients.loop.stop();
}

int run(const std::vector<std::string>& words) {
    Loop loop;
    Clients clients{loop};
    if (words.size() > 0 && words[0] == "server") {
        const Address address = start(loop, words.size() > 1 ? words[1].c_str() : "0");
        std::cout << "listening on " << address.text() << std::endl;
    } else if (words.size() > 2) {
        const Address address = Address::lookup(words[1].c_str(), words[2].c_str());
        clients.running = words.size() - 3;
        for (size_t i = 3; i < words.size(); ++i) talk(clients, address, words[i]);
    } else {
        const Address address = start(loop, "0");
        clients.running = 2;
        talk(clients, address, "hello");
        talk(clients, address, "from C++");
    }
    loop.run();
    return clients.failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

}  // namespace

int main(int argc, char** argv) {
    try {
        return run({argv + 1, argv + argc});
    } catch (const socket2::Error& error) {
        std::cerr << "echo: " << error.what() << '\n';
        return EXIT_FAILURE;
    }
}
