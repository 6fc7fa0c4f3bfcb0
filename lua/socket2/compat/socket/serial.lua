return require'socket2.luasocket.serial'
