"""What FairFace's words mean here. Pure Python."""

GENDERS = {"Male": 0, "Female": 1}  # class numbers in faces.GENDERS
# The middle of each band, halves rounded up; the last band is open, and 75 stands for it.
AGES = {
    "0-2": 1,
    "3-9": 6,
    "10-19": 15,
    "20-29": 25,
    "30-39": 35,
    "40-49": 45,
    "50-59": 55,
    "60-69": 65,
    "more than 70": 75,
}
# Class numbers in faces.ETHNICITIES. UTKFace's "others" are, among more, Hispanics, Latinos and Middle Easterners.
RACES = {
    "White": 0,
    "Black": 1,
    "East Asian": 2,
    "Southeast Asian": 2,
    "Indian": 3,
    "Latino_Hispanic": 4,
    "Middle Eastern": 4,
}
