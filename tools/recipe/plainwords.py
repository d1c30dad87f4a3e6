"""Which of WordNet's words suit captions for pictures."""
import re


def listed(text):
    return {" ".join(w.split()) for w in text.split(",")}


# What people call kinds of thing.
EVERYDAY = listed("""
animal, bird, insect, fish, mammal, reptile, amphibian, dog, cat, snake, lizard, turtle, beetle, butterfly, spider,
ape, monkey, horse, cattle, rodent, dinosaur, shellfish, crustacean, arachnid, mollusk, plant, flower, tree, shrub,
herb, fruit, vegetable, nut, berry, mushroom, fungus, grass, cactus, food, dish, dessert, candy, cake, bread, meat,
seafood, drink, beverage, alcohol, salad, sandwich, soup, sauce, cheese, pastry, vehicle, car, truck, boat, ship, bus,
train, airplane, aircraft, bicycle, motorcycle, wagon, building, house, tower, bridge, room, shop, road, tool, knife,
hammer, weapon, gun, sword, bow, machine, engine, computer, telephone, furniture, chair, table, bed, seat, lamp,
clock, container, box, bag, bottle, bowl, cup, glass, basket, jar, pot, plate, utensil, cutlery, clothing, garment,
shirt, dress, coat, hat, cap, shoe, boot, jewelry, toy, doll, ball, game, instrument, drum, guitar, piano, book,
camera, screen, light, stone, rock, mineral, mountain, lake, river, sea, island, planet, star, worker, scientist,
doctor, athlete, musician, soldier, artist, ruler, child, adult, criminal, musical instrument, stringed instrument,
wind instrument, percussion instrument, brass instrument, domestic animal, farm animal, marine animal, aquatic bird,
bird of prey, edible fruit, citrus fruit, root vegetable, motor vehicle, public transport, wheeled vehicle, sports
equipment, baked goods, body part, geological formation, electronic device, kitchen utensil, woodwind instrument""")
# Never said.
COARSE = listed("""
ass, cock, pussy, tit, titty, bitch, slut, screw, dick, knocker, hooker, prick, queer, fag, faggot, dyke, negro,
savage, harlot, whore, bastard, booby, boob, nipple, condom, john, can, bum, tramp, gook, crap, dung, shit, kut, cipa,
fitta""")
RUDE = re.compile(r"slur|offensive|obscene|disparag|derogat|vulgar|slang|sexual|prostitut", re.I)     # in a gloss
# Names of pictures that mean something else in WordNet.
WRONG = listed("""
ice, person, radio button, control, level, mate, head, set, pick, volume, wood, fire, black cat, station, ribbon,
family, kiss, barrel, sea horse, seahorse, anteater, bunker, carousel, cape, caltrops, spade, spades, sling, swallow,
viola, valve, upgrade, world, bolas, silex, spray, tablet, portal, balloons, soul, charcuterie, sign, match, hide,
chest, cherry, plum, belt""")
