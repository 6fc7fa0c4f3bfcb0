// The stream of a descriptor: of a socket (Base is Socket), or of another descriptor (Waitable).
#pragma once

#include <memory>

#include "core/net/reader.h"
#include "core/net/stream.h"
#include "core/net/waitable.h"

namespace socket2 {

template <typename Base>
class IoStream : public Base, public Stream {
   public:
    Stream* stream() override { return this; }

    Result wait(Side side, double deadline) override {
        if (side == Side::read && buffered() > 0 && !is_reading()) return Result::done();
        return Base::wait(side, deadline);
    }

    Result send(Slices slices, double deadline) override {
        return this->send_all(as_socket() ? OpKind::send : OpKind::write, slices, deadline);
    }

    Result recv(void* data, size_t size, double deadline) override {
        if (reader_ != nullptr && !is_reading()) {
            if (buffered() > 0) return Result::of(static_cast<int>(reader_->copy(data, size)));
            reader_->release();
        }
        return this->submit(this->read_, receive_kind(), {data, size}, deadline);
    }

    Result read(const ReadRequest& request, double deadline) override {
        return reader().read(request, deadline);
    }
    ReadResult last_read() const override {
        return reader_ == nullptr ? ReadResult{} : reader_->last_read();
    }
    void release() override {
        if (reader_ != nullptr && !is_reading()) reader_->release();
    }
    Result undo() override {
        if (is_reading()) return Errc::busy;
        if (reader_ != nullptr) reader_->undo();
        return Result::done();
    }
    size_t buffered() const override { return reader_ == nullptr ? 0 : reader_->buffered(); }
    Result unread(const void* data, size_t size) override {
        if (this->read_.state != OpState::idle) return Errc::busy;
        return reader().unread(data, size);
    }

    bool lends() const override { return last_read().data != nullptr; }
    bool on_completed(Op& op) override {
        return &op == &this->read_ && reader_ != nullptr && reader_->on_completed();
    }

   protected:
    using Base::Base;

    // Whether the descriptor takes the calls for sockets.
    virtual bool as_socket() const = 0;

   private:
    bool is_reading() const {
        return this->read_.state != OpState::idle && this->read_.kind != OpKind::wait;
    }
    OpKind receive_kind() const { return as_socket() ? OpKind::recv : OpKind::read; }

    Reader& reader() {
        if (reader_ == nullptr) {
            reader_ = std::make_unique<Reader>(this->loop_, this->read_, receive_kind());
        }
        return *reader_;
    }

    std::unique_ptr<Reader> reader_;  // made by the first buffered read
};

}  // namespace socket2
