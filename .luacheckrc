std = 'luajit'
max_line_length = 110
files['spec/**/*_spec.lua'].std = 'luajit+busted'
files['types'].ignore = {'21[12]', '241', '431'} -- declarations
